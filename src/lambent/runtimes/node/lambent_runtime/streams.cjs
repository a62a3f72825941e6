// Answers in parts: `awslambda.streamifyResponse` and `awslambda.HttpResponseStream` as on AWS.
//
// The stream's `write` calls back when the channel has taken the part, so a function that heeds
// back-pressure (`pipeline`, `drain`) goes at the pace of its client.

"use strict";

const { Writable } = require("node:stream");

const { KIND, CHUNK_BYTES, send } = require("./channel.cjs");

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const HIGH_WATER_MARK = Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark");
const HTTP = "application/vnd.awslambda.http-integration-response";
const PRELUDE = Symbol("prelude");

class ResponseStream extends Writable {
  #contentType = "";
  begun = false;

  constructor(highWaterMark) {
    super({ highWaterMark, decodeStrings: true });
  }

  setContentType(contentType) {
    this.#contentType = contentType;
  }

  write(chunk, encoding, callback) {
    // AWS takes anything that JSON can say.
    if (typeof chunk !== "string" && !(chunk instanceof Uint8Array)) chunk = JSON.stringify(chunk);
    return super.write(chunk, encoding, callback);
  }

  _write(chunk, _encoding, callback) {
    this.#begin();
    this.#send(chunk, callback);
  }

  _final(callback) {
    this.#begin();
    callback();
  }

  #begin() {
    if (this.begun) return;
    this.begun = true;
    send(KIND.STREAM, this.#contentType || "application/octet-stream");
    if (this[PRELUDE] !== undefined) send(KIND.CHUNK, `${this[PRELUDE]}${"\0".repeat(8)}`);
  }

  #send(data, callback) {
    if (data.length <= CHUNK_BYTES) {
      if (data.length === 0) callback();
      else send(KIND.CHUNK, data, callback);
      return;
    }
    send(KIND.CHUNK, data.subarray(0, CHUNK_BYTES), (error) => {
      if (error) callback(error);
      else this.#send(data.subarray(CHUNK_BYTES), callback);
    });
  }
}

class HttpResponseStream {
  // The metadata of an HTTP answer goes before the first byte of `stream`, which it returns.
  static from(stream, prelude) {
    stream.setContentType(HTTP);
    stream[PRELUDE] = JSON.stringify(prelude);
    return stream;
  }
}

function streamifyResponse(handler, options) {
  handler[STREAMING] = "response";
  if (typeof options?.highWaterMark === "number") handler[HIGH_WATER_MARK] = options.highWaterMark;
  return handler;
}

function install() {
  globalThis.awslambda = { ...globalThis.awslambda, streamifyResponse, HttpResponseStream };
}

function isStreaming(handler) {
  return handler[STREAMING] === "response";
}

function makeStream(handler) {
  return new ResponseStream(handler[HIGH_WATER_MARK] ?? 65536);
}

module.exports = { install, isStreaming, makeStream };
