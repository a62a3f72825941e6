// `console` as on Lambda: one event per call, `timestamp\trequest id\tLEVEL\tmessage`, or JSON.
//
// Records go to the log pipe framed (runtimes/frames.py), so that several lines stay one event.
// process.stdout and process.stderr are left alone: what a function writes there is split at newlines.

"use strict";

const fs = require("node:fs");
const util = require("node:util");

const { writeAll } = require("./channel.cjs");
const errors = require("./errors.cjs");
const state = require("./state.cjs");

const MAGIC = 0xa55a0003;
const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const METHODS = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL" };

const fd = /^\d+$/.test(process.env._LAMBDA_TELEMETRY_LOG_FD || "") ? Number(process.env._LAMBDA_TELEMETRY_LOG_FD) : -1;
delete process.env._LAMBDA_TELEMETRY_LOG_FD;
const json = (process.env.AWS_LAMBDA_LOG_FORMAT || "").toUpperCase() === "JSON";
const lowest = (json && LEVELS[(process.env.AWS_LAMBDA_LOG_LEVEL || "").toUpperCase()]) || 0;

function record(text) {
  const bytes = Buffer.byteLength(text);
  if (fd < 0) {
    writeAll(fs, 1, Buffer.from(text + "\n"));
    return;
  }
  const data = Buffer.allocUnsafe(16 + bytes);
  data.writeUInt32BE(MAGIC, 0);
  data.writeUInt32BE(bytes, 4);
  data.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  data.write(text, 16);
  writeAll(fs, fd, data);
}

function textLine(level, args) {
  return `${new Date().toISOString()}\t${state.requestId}\t${level}\t${util.format(...args)}`;
}

function plain(_, value) {
  if (!errors.isError(value)) return value;
  return {
    errorType: value.constructor ? value.constructor.name : "UnknownError",
    errorMessage: value.message,
    stackTrace: errors.lines(value.stack),
    ...value,
  };
}

function jsonLine(level, args) {
  const line = { timestamp: new Date().toISOString(), level, requestId: state.requestId };
  if (state.tenantId) line.tenantId = state.tenantId;
  if (args.length === 1) {
    line.message = args[0];
    try {
      return JSON.stringify(line, plain);
    } catch {
      line.message = util.format(args[0]); // a cycle, a BigInt
      return JSON.stringify(line);
    }
  }
  line.message = util.format(...args);
  const failure = args.find(errors.isError);
  if (failure !== undefined) Object.assign(line, plain("", failure));
  return JSON.stringify(line);
}

function say(level, args) {
  if (LEVELS[level] < lowest) return;
  record(json ? jsonLine(level, args) : textLine(level, args));
}

function install() {
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] = (...args) => say(level, args);
  }
}

// A failure that the runtime reports: its name, then the error.
function failed(what, error) {
  if (json) say("ERROR", [errors.isError(error) ? error : errors.logged(error)]);
  else record(`${textLine("ERROR", [`${what} `])}\t${stringify(errors.logged(error))}`);
}

function stringify(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return util.inspect(value);
  }
}

module.exports = { failed, install };
