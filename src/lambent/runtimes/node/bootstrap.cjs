// The first code that runs in a Node.js sandbox: `node … /var/runtime/bootstrap.cjs`.
//
// It only hands over to lambent_runtime/main.cjs. CommonJS, so that nothing asynchronous happens
// before the function's own code is loaded. Runs on Node.js 20 and later, standard library alone.

"use strict";

require("./lambent_runtime/main.cjs").main();
