// Everything global to the runtime process that changes from invoke to invoke.

"use strict";

module.exports = {
  requestId: undefined, // AWS prints `undefined` during Init
  tenantId: "",
  trace: undefined,
};
