// Init, then one invoke after the other until the server hangs up.
//
//   main()    console, `awslambda`, what nobody catches; load the handler; READY or INIT_ERROR
//   invoke()  INVOKE in; call.cjs sends the answer
//
// The engine sees a process that ends by itself (`process.exit`, a crash) and reports
// Runtime.ExitError.

"use strict";

const call = require("./call.cjs");
const channel = require("./channel.cjs");
const errors = require("./errors.cjs");
const handlers = require("./handler.cjs");
const logs = require("./logs.cjs");
const state = require("./state.cjs");
const streams = require("./streams.cjs");

const { KIND } = channel;
let handler = null;

async function main() {
  logs.install();
  streams.install();
  call.install();
  process.on("uncaughtException", (error) => end("Uncaught Exception", error, 129));
  process.on("unhandledRejection", (reason, promise) => end("Unhandled Promise Rejection", rejection(reason, promise), 128));
  channel.release();
  try {
    handler = await handlers.load(process.env.LAMBDA_TASK_ROOT || "/var/task", process.env._HANDLER || "");
  } catch (error) {
    end("Uncaught Exception", error, 1);
  }
  channel.listen(invoke);
  channel.hold();
  channel.send(KIND.READY, "");
}

function invoke(head, payload) {
  const [requestId, deadline, arn, trace, tenantId, clientContext, identity] = head.split("\n");
  state.requestId = requestId;
  state.tenantId = tenantId;
  if (trace !== state.trace) {
    state.trace = trace;
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
  }
  const header = { requestId, deadlineMs: Number(deadline), arn, tenantId, clientContext, identity };
  call.run(handler, payload || "{}", header);
}

function rejection(reason, promise) {
  const cause = errors.isError(reason) ? reason : undefined;
  const fault = new errors.RuntimeFault("Runtime.UnhandledPromiseRejection", String(reason), cause);
  fault.reason = reason;
  fault.promise = promise;
  return fault;
}

// Nobody catches it: the answer of what runs, or of Init, is the error; the process is over.
function end(what, error, status) {
  logs.failed(what, error);
  const text = errors.document(error);
  if (handler === null) channel.sendNow(KIND.INIT_ERROR, text);
  else {
    const last = call.current()?.fatal(text);
    if (last) channel.sendNow(last.kind, last.text);
  }
  process.exit(status);
}

module.exports = { main };
