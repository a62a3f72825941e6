// From `_HANDLER` to a function, with AWS's error for each way this can fail.
//
// `folder/file.export.nested`: the file is looked for as it is, then as .js, .mjs and .cjs, then as
// a package. ES modules are imported (top-level await is awaited), all else is required.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");
const { pathToFileURL } = require("node:url");

const { RuntimeFault } = require("./errors.cjs");
const modulePaths = require("./module_paths.cjs");

const NO_CALLBACKS =
  "AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. " +
  "You need to modify this function to use a supported handler signature to use Node.js 24 or later. " +
  "For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.";
const MAJOR = Number(process.versions.node.split(".")[0]);

async function load(root, name) {
  const { file, names } = split(name);
  const found = await find(root, file);
  const value = nested(found, names) ?? nested(found.default, names);
  if (value === undefined || value === null) {
    throw new RuntimeFault("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  }
  if (typeof value !== "function") {
    throw new RuntimeFault("Runtime.HandlerNotFound", `${name} is not a function`);
  }
  if (MAJOR >= 24 && value.length >= 3 && !value[Symbol.for("aws.lambda.runtime.handler.streaming")]) {
    throw new RuntimeFault("Runtime.CallbackHandlerDeprecated", NO_CALLBACKS);
  }
  return value;
}

function nested(value, names) {
  for (const part of names) value = value?.[part];
  return value;
}

function split(name) {
  if (name.includes("..")) {
    throw new RuntimeFault(
      "Runtime.MalformedHandlerName",
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(name);
  const dot = base.indexOf(".");
  if (dot < 1 || dot === base.length - 1) {
    throw new RuntimeFault("Runtime.MalformedHandlerName", "Bad handler");
  }
  const folder = name.slice(0, name.length - base.length);
  return { file: folder + base.slice(0, dot), names: base.slice(dot + 1).split(".") };
}

async function find(root, file) {
  const base = path.resolve(root, file);
  for (const extension of ["", ".js", ".mjs", ".cjs"]) {
    const candidate = base + extension;
    if (fs.statSync(candidate, { throwIfNoEntry: false })?.isFile()) return named(() => loadFile(candidate));
  }
  return named(() => {
    const require_ = createRequire(path.join(root, "_"));
    try {
      return loadFile(require_.resolve(file));
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") throw error;
      const missing = new Error(`Cannot find module '${file}'\nRequire stack:\n- /var/runtime/index.mjs`);
      missing.code = error.code;
      throw missing;
    }
  });
}

// AWS's names for what goes wrong while code is loaded; the function's own errors stay theirs.
async function named(loading) {
  try {
    return await loading();
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeFault("Runtime.UserCodeSyntaxError", String(error), error);
    }
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") {
      throw new RuntimeFault("Runtime.ImportModuleError", `Error: ${error.message}`, error);
    }
    throw error;
  }
}

async function loadFile(file) {
  if (!isModule(file)) {
    try {
      return createRequire(file)(file);
    } catch (error) {
      // A module by its syntax alone, which Node.js finds out only now.
      if (error.code !== "ERR_REQUIRE_ESM" && error.code !== "ERR_REQUIRE_ASYNC_MODULE") throw error;
    }
  }
  modulePaths.install();
  return import(pathToFileURL(file).href);
}

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  return !file.endsWith(".cjs") && packageType(path.dirname(file)) === "module";
}

// `type` of the nearest package.json, as Node.js looks for it.
function packageType(folder) {
  for (;;) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type;
    } catch {
      const parent = path.dirname(folder);
      if (parent === folder || path.basename(folder) === "node_modules") return undefined;
      folder = parent;
    }
  }
}

module.exports = { load };
