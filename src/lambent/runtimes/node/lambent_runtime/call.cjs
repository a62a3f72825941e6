// One invoke of a handler, until exactly one answer has been sent for it.
//
// A promise answers when it settles; a callback, when the event loop is empty (unless
// `callbackWaitsForEmptyEventLoop` is false); an error, at once; nothing at all, `null` once the
// event loop is empty (from Node.js 24 on, and for streams, an error, as on AWS).

"use strict";

const { KIND, hold, release, send } = require("./channel.cjs");
const { makeContext } = require("./context.cjs");
const { RuntimeFault, document } = require("./errors.cjs");
const logs = require("./logs.cjs");
const streams = require("./streams.cjs");

const MAX_RESPONSE_BYTES = 6291556;
const CALLBACKS = Number(process.versions.node.split(".")[0]) < 24; // AWS removed them with Node.js 24
const TOO_LARGE = JSON.stringify({
  errorType: "Function.ResponseSizeTooLarge",
  errorMessage: `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`,
});

let current = null;

class Call {
  waits = true;
  #answered = false;
  #held = undefined; // an answer that waits for the event loop to be empty
  stream = null;

  constructor(handler) {
    this.done = (error, result) => {
      this.waits = false;
      this.callback(error, result);
    };
    this.succeed = (result) => this.done(null, result);
    this.fail = (error) => this.done(error === undefined || error === null ? "handled" : error);
    this.callback = (error, result) => {
      if (error !== undefined && error !== null) this.failed(error);
      else if (this.waits) this.#held ??= { result };
      else this.answer(result);
    };
    if (streams.isStreaming(handler)) this.stream = streams.makeStream(handler);
  }

  answer(result) {
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result) ?? "null";
    } catch (error) {
      this.failed(new Error("Unable to stringify response body", { cause: error }));
      return;
    }
    if (Buffer.byteLength(text) > MAX_RESPONSE_BYTES) this.#finish(KIND.ERROR, TOO_LARGE);
    else this.#finish(KIND.RESPONSE, text);
  }

  failed(error) {
    if (this.#answered) return;
    logs.failed("Invoke Error", error);
    if (this.stream?.begun) this.#finish(KIND.STREAM_END, document(error));
    else this.#finish(KIND.ERROR, document(error));
  }

  streamed() {
    this.#finish(KIND.STREAM_END, "");
  }

  // The process ends: the frame that answers this call, if nothing has yet.
  fatal(text) {
    if (this.#answered) return null;
    this.#answered = true;
    current = null;
    return { kind: KIND.FATAL, text };
  }

  nothingLeft() {
    if (this.#held !== undefined) this.answer(this.#held.result);
    else if (this.stream !== null || !CALLBACKS) {
      this.failed(new RuntimeFault("Runtime.NodeJsExit", "nodejs process exited without fulfilling promise"));
    } else this.answer(null);
  }

  #finish(kind, body) {
    if (this.#answered) return;
    this.#answered = true;
    current = null;
    hold();
    flushed(() => send(kind, body));
  }
}

// What a function has written to its standard streams goes before its answer.
function flushed(then) {
  const busy = inUse.find((stream) => stream.writableLength > 0);
  if (busy === undefined) then();
  else busy.write("", () => flushed(then));
}

// process.stdout and process.stderr cost a start some time: only those that the function has
// touched are looked at.
const inUse = [];

function watch(name) {
  const own = Object.getOwnPropertyDescriptor(process, name);
  Object.defineProperty(process, name, {
    ...own,
    get: () => {
      const stream = own.get.call(process);
      Object.defineProperty(process, name, { ...own, get: () => stream });
      inUse.push(stream);
      return stream;
    },
  });
}

function run(handler, event, header) {
  const call = new Call(handler);
  current = call;
  release();
  try {
    if (call.stream !== null) runStreaming(call, handler, JSON.parse(event), header);
    else runPlain(call, handler, JSON.parse(event), header);
  } catch (error) {
    call.failed(error);
  }
}

function runPlain(call, handler, event, header) {
  const context = makeContext(header, CALLBACKS ? call : undefined);
  const result = handler(event, context, CALLBACKS ? call.callback : undefined);
  if (typeof result?.then === "function") {
    result.then(call.succeed, (error) => call.failed(error));
  } else if (!CALLBACKS || (result !== undefined && handler.length < 3)) {
    // A handler without a callback answers by what it returns.
    call.succeed(result);
  }
}

function runStreaming(call, handler, event, header) {
  const { stream } = call;
  let settled = false;
  let finished = false;
  const both = () => {
    if (settled && finished) call.streamed();
  };
  stream.on("error", (error) => call.failed(error));
  stream.on("finish", () => {
    finished = true;
    both();
  });
  const result = handler(event, stream, makeContext(header));
  if (typeof result?.then !== "function") {
    throw new RuntimeFault("Runtime.MalformedStreamingHandler", "Streaming does not support non-async handlers.");
  }
  result.then(
    () => {
      settled = true;
      both();
    },
    (error) => call.failed(error),
  );
}

function install() {
  watch("stdout");
  watch("stderr");
  process.on("beforeExit", () => current?.nothingLeft());
}

module.exports = { install, run, current: () => current };
