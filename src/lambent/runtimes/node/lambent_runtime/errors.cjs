// Every error document that the runtime makes, and how it reads in the log.
//
// Shapes are those of AWS's runtime client: `errorType`, `errorMessage`, `trace` for the caller,
// the same with `stack` in the log (LAMBDA.md 75 and 76).

"use strict";

const util = require("node:util");

// The host's path of the code; an image's folders are its own.
const HIDDEN_ROOT = "_LAMBENT_OPT_DIRS" in process.env ? process.env.LAMBDA_TASK_ROOT : "";

// A failure that AWS gives a name of its own, such as Runtime.HandlerNotFound.
class RuntimeFault extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    const stack = cause && cause.stack ? cause.stack : this.stack;
    this.stack = [`${name}: ${message}`, ...stack.split("\n").slice(1)].join("\n");
  }
}

function isError(value) {
  return (
    util.types.isNativeError(value) ||
    (value !== null && typeof value === "object" && value.name && value.message !== undefined && value.stack)
  );
}

// Traces start at /var/task even where the sandbox cannot put the code there.
function shown(text) {
  return HIDDEN_ROOT ? text.replaceAll(HIDDEN_ROOT, "/var/task") : text;
}

function lines(stack) {
  return typeof stack === "string" ? shown(stack).split("\n") : [];
}

// What the caller of the function reads.
function document(error) {
  try {
    if (isError(error)) {
      return JSON.stringify({
        errorType: String(error.name),
        errorMessage: shown(String(error.message)),
        trace: lines(error.stack),
      });
    }
    return JSON.stringify({ errorType: typeof error, errorMessage: String(error), trace: [] });
  } catch {
    return '{"errorType":"handled","errorMessage":"callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack","trace":[]}';
  }
}

// The same as a value for the log: with the error's own fields, and `stack`.
function logged(error) {
  if (!isError(error)) return { errorType: typeof error, errorMessage: String(error), stack: [] };
  return {
    errorType: error.name,
    errorMessage: shown(String(error.message)),
    ...fieldsOf(error),
    stack: lines(error.stack),
  };
}

function fieldsOf(error) {
  const fields = { ...error };
  delete fields.name;
  for (const name of Object.keys(fields)) {
    if (isError(fields[name])) fields[name] = logged(fields[name]);
  }
  return fields;
}

module.exports = { RuntimeFault, document, isError, lines, logged };
