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
const MAJOR = Number(process.versions.node.split(".")[0]);
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
    else if (this.stream !== null || MAJOR >= 24) {
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
  const busy = state.streams().filter((stream) => stream.writableLength > 0);
  if (busy.length === 0) then();
  else busy[0].write("", () => flushed(then));
}

// process.stdout and process.stderr cost a start some time; only those in use are looked at.
const state = {
  found: [],
  streams() {
    return this.found;
  },
  watch(name) {
    const own = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get: () => {
        const stream = own.get.call(process);
        Object.defineProperty(process, name, { ...own, get: () => stream });
        this.found.push(stream);
        return stream;
      },
    });
  },
};

function run(handler, event, header) {
  const call = new Call(handler);
  current = call;
  release();
  try {
    if (call.stream !== null) runStreaming(call, handler, JSON.parse(event), header);
    else {
      const result = handler(JSON.parse(event), makeContext(header, MAJOR >= 24 ? undefined : call), call.callback);
      if (typeof result?.then === "function") {
        result.then(call.succeed, (error) => call.failed(error));
      } else if (MAJOR >= 24 || (result !== undefined && handler.length < 3)) {
        // A handler without a callback answers by what it returns.
        call.succeed(result);
      }
    }
  } catch (error) {
    call.failed(error);
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
  state.watch("stdout");
  state.watch("stderr");
  process.on("beforeExit", () => current?.nothingLeft());
}

module.exports = { install, run, current: () => current };
