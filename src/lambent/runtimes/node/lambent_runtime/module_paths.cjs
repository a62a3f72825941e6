// NODE_PATH for ES modules, which Node.js itself honours for `require` alone and Lambda for both.
//
// Installed before the first module of the function is imported, and only if a folder of NODE_PATH
// (a layer's, or /var/runtime's) exists: hooks have their cost.

"use strict";

const fs = require("node:fs");
const module_ = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

// A resolver that falls back to `folders`; as text too, for Node.js 20, whose hooks live in a thread.
function makeResolver(parents) {
  return function resolve(specifier, context, next) {
    const bare = !/^[./]|^[a-z]+:/.test(specifier);
    const again = (error, at) => {
      if (!bare || error.code !== "ERR_MODULE_NOT_FOUND" || at >= parents.length) throw error;
      return attempt(() => next(specifier, { ...context, parentURL: parents[at] }), (worse) => again(worse, at + 1));
    };
    const attempt = (resolving, failing) => {
      try {
        const found = resolving();
        return found instanceof Promise ? found.catch(failing) : found;
      } catch (error) {
        return failing(error);
      }
    };
    return attempt(() => next(specifier, context), (error) => again(error, 0));
  };
}

let installed = false;

function install() {
  if (installed) return;
  installed = true;
  const parents = (process.env.NODE_PATH || "")
    .split(":")
    .filter((folder) => path.basename(folder) === "node_modules" && fs.existsSync(folder))
    .map((folder) => pathToFileURL(path.join(path.dirname(folder), "_.mjs")).href);
  if (parents.length === 0) return;
  if (module_.registerHooks) {
    module_.registerHooks({ resolve: makeResolver(parents) });
  } else {
    const source = `${makeResolver}\nexport const resolve = makeResolver(${JSON.stringify(parents)});`;
    module_.register(`data:text/javascript,${encodeURIComponent(source)}`);
  }
}

module.exports = { install };
