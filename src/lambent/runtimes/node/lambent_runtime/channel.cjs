// Frames in and out of descriptor 3. The layout is runtimes/frames.py's.
//
// The socket is unreferenced while a handler runs, so that Node.js tells when nothing of the
// function is left to do (`beforeExit`), and referenced while an invoke is awaited.

"use strict";

const net = require("node:net");

const INVOKE = 1;
const KIND = { READY: 16, INIT_ERROR: 17, RESPONSE: 18, ERROR: 19, STREAM: 20, CHUNK: 21, STREAM_END: 22, FATAL: 23 };
const CHUNK_BYTES = 65536;

const socket = new net.Socket({ fd: 3, readable: true, writable: true });
let onInvoke = null;
let unread = null;
let missing = 0;
let parts = [];

// Calls `handle(header text, payload text)` for each INVOKE; one at a time, by the protocol.
function listen(handle) {
  onInvoke = handle;
  socket.on("data", feed);
  socket.on("end", () => process.exit(0));
  socket.on("error", () => process.exit(0));
}

function feed(data) {
  if (missing > 0) {
    // In the middle of a large event: joined once, when all of it is there.
    parts.push(data);
    missing -= data.length;
    if (missing > 0) return;
    data = Buffer.concat(parts);
    parts = [];
    missing = 0;
  } else if (unread !== null) {
    data = Buffer.concat([unread, data]);
    unread = null;
  }
  if (data.length < 4) {
    unread = data;
    return;
  }
  const end = 4 + data.readUInt32BE(0);
  if (data.length < end) {
    parts = [data];
    missing = end - data.length;
    return;
  }
  if (data[4] !== INVOKE) process.exit(0); // the server is no server of ours
  const body = 7 + data.readUInt16BE(5);
  onInvoke(data.toString("utf8", 7, body), data.toString("utf8", body, end));
}

// One frame; `sent` is called once the server, or the kernel for it, has all of it.
function send(kind, body, sent) {
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const frame = Buffer.allocUnsafe(5 + bytes);
  frame.writeUInt32BE(bytes + 1, 0);
  frame[4] = kind;
  if (typeof body === "string") frame.write(body, 5);
  else frame.set(body, 5);
  return socket.write(frame, sent);
}

// A frame from a process that is about to end: written before this returns.
function sendNow(kind, body) {
  const fs = require("node:fs");
  const text = Buffer.from(body);
  const frame = Buffer.allocUnsafe(5 + text.length);
  frame.writeUInt32BE(text.length + 1, 0);
  frame[4] = kind;
  text.copy(frame, 5);
  writeAll(fs, 3, frame);
}

// The descriptors do not block, and a full pipe says so: the reader is the server, which will read.
function writeAll(fs, fd, data) {
  let at = 0;
  while (at < data.length) {
    try {
      at += fs.writeSync(fd, data, at);
    } catch (error) {
      if (error.code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

module.exports = {
  KIND,
  CHUNK_BYTES,
  listen,
  send,
  sendNow,
  writeAll,
  hold: () => socket.ref(),
  release: () => socket.unref(),
};
