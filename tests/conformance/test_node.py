"""Node.js functions on the managed runtime: handlers of every form, errors, logs, streams."""

import base64
import json
import os
import re
import uuid

import pytest
from botocore.exceptions import ClientError
from scripts import fetch_interpreters

RUNTIMES = ["nodejs20.x", "nodejs22.x", "nodejs24.x"]
ON_ALL = pytest.mark.parametrize("runtime", RUNTIMES)
WITH_CALLBACKS = pytest.mark.parametrize("runtime", RUNTIMES[:2])


class Node:
    """Makes functions on the server that has Node.js, and calls them."""

    def __init__(self, server):
        self.server = server
        self.made = []

    def make(self, files, runtime="nodejs22.x", handler="index.handler", **options):
        name = f"node-{uuid.uuid4().hex[:12]}"
        files = files if isinstance(files, dict) else {"index.js": files}
        self.made.append(name)
        options = {"MemorySize": 256, **options}
        return self.server.function(name, files, Runtime=runtime, Handler=handler, **options)

    def call(self, name, payload=None, **options):
        """(payload, error or None, log of the invoke)."""
        answer = self.server.client.invoke(
            FunctionName=name, Payload=json.dumps(payload).encode(), LogType="Tail", **options
        )
        tail = base64.b64decode(answer["LogResult"]).decode()
        return json.loads(answer["Payload"].read()), answer.get("FunctionError"), tail

    def value(self, name, payload=None):
        value, error, _ = self.call(name, payload)
        assert error is None, value
        return value

    def error(self, name, payload=None):
        value, error, _ = self.call(name, payload)
        assert error == "Unhandled", value
        return value

    def stream(self, name, payload=None):
        """(all bytes, InvokeComplete)."""
        answer = self.server.client.invoke_with_response_stream(
            FunctionName=name, Payload=json.dumps(payload).encode()
        )
        data, complete = b"", None
        for event in answer["EventStream"]:
            if "PayloadChunk" in event:
                data += event["PayloadChunk"]["Payload"]
            else:
                complete = event["InvokeComplete"]
        return data, complete


@pytest.fixture
def node(node_server):
    made = Node(node_server)
    yield made
    for name in made.made:
        node_server.client.delete_function(FunctionName=name)


# ── handlers of every form ───────────────────────────────────────────────────────────────────


@ON_ALL
def test_an_async_handler_and_its_surroundings(node, runtime):
    name = node.make(
        """
        exports.handler = async (event, context) => ({
          event, version: process.version, env: process.env, argv: process.execArgv,
          context: JSON.parse(JSON.stringify(context)), left: context.getRemainingTimeInMillis(),
        });
        """,
        runtime,
        Timeout=20,
    )
    context = base64.b64encode(b'{"custom": {"k": 1}}').decode()
    told, error, tail = node.call(name, {"a": "é"}, ClientContext=context)
    assert error is None
    assert told["event"] == {"a": "é"}
    major = runtime[6:8]
    assert told["version"].startswith(f"v{major}.")
    assert 0 < told["left"] <= 20_000
    shown = told["context"]
    assert shown["functionName"] == name
    assert shown["functionVersion"] == "$LATEST"
    assert shown["memoryLimitInMB"] == "256"
    assert shown["invokedFunctionArn"].endswith(f":function:{name}")
    assert shown["clientContext"] == {"custom": {"k": 1}}
    assert f"START RequestId: {shown['awsRequestId']}" in tail
    assert ("callbackWaitsForEmptyEventLoop" in shown) == (major != "24")
    environ = told["env"]
    assert environ["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{runtime}"
    assert environ["NODE_PATH"] == (
        f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:"
        "/var/runtime/node_modules:/var/runtime:/var/task"
    )
    assert environ["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "PYTHONPATH" not in environ
    assert "_LAMBDA_TELEMETRY_LOG_FD" not in environ
    assert "--max-old-space-size=230" in told["argv"]


@ON_ALL
@pytest.mark.parametrize(
    "files",
    [
        {"index.mjs": "export const handler = async () => 'esm'"},
        {"index.js": "export const handler = async () => 'esm'", "package.json": '{"type":"module"}'},
        {"index.cjs": "exports.handler = async () => 'esm'"},
        {
            "index.mjs": "const text = await new Promise((done) => setTimeout(done, 20, 'esm'));\n"
            "export const handler = async () => text",
        },
        {"index.js": "module.exports = {handler: () => Promise.resolve('esm')}"},
    ],
    ids=["mjs", "type-module", "cjs", "top-level-await", "commonjs"],
)  # fmt: skip
def test_modules_of_both_kinds(node, runtime, files):
    assert node.value(node.make(files, runtime)) == "esm"


@ON_ALL
def test_nested_paths_and_names_and_node_path(node, runtime):
    files = {
        "src/deep/app.js": "exports.api = {v1: {run: async () => [require('here'), this === exports]}}",
        "node_modules/here/index.js": "module.exports = 'task'",
    }
    name = node.make(files, runtime, "src/deep/app.api.v1.run")
    assert node.value(name)[0] == "task"


@WITH_CALLBACKS
def test_callbacks_wait_for_an_empty_event_loop_unless_told_not_to(node, runtime):
    name = node.make(
        """
        let late = 0;
        exports.handler = (event, context, callback) => {
          if (event === 'state') return callback(null, late);
          context.callbackWaitsForEmptyEventLoop = event.waits;
          setTimeout(() => { late += 1; }, event.ms);
          callback(event.fail ? new TypeError('by callback') : null, {late});
        };
        """,
        runtime,
    )
    assert node.value(name, {"waits": True, "ms": 300}) == {"late": 0}
    assert node.value(name, "state") == 1  # the timer came before the answer
    assert node.value(name, {"waits": False, "ms": 20_000}) == {"late": 1}
    failed = node.error(name, {"waits": True, "ms": 1, "fail": True})
    assert (failed["errorType"], failed["errorMessage"]) == ("TypeError", "by callback")


@WITH_CALLBACKS
def test_context_methods_and_handlers_that_answer_nothing(node, runtime):
    name = node.make(
        """
        exports.handler = (event, context, callback) => {
          if (event === 'succeed') context.succeed('good');
          else if (event === 'fail') context.fail(new Error('bad'));
          else if (event === 'done') context.done(null, 'done');
          else if (event === 'string') callback('only text');
        };
        exports.never = () => new Promise(() => {});
        """,
        runtime,
    )
    assert node.value(name, "succeed") == "good"
    assert node.value(name, "done") == "done"
    assert node.error(name, "fail")["errorMessage"] == "bad"
    assert node.error(name, "string") == {
        "errorType": "string", "errorMessage": "only text", "trace": [],
    }  # fmt: skip
    assert node.value(name, "nothing") is None
    never = node.make("exports.handler = () => new Promise(() => {})", runtime)
    assert node.value(never) is None
    assert node.value(never) is None


def test_node_24_has_no_callbacks(node):
    name = node.make(
        "exports.handler = (event, context, callback) => callback(null, 1)", "nodejs24.x"
    )
    failed = node.error(name)
    assert failed["errorType"] == "Runtime.CallbackHandlerDeprecated"
    assert "removed support for callback-based function handlers" in failed["errorMessage"]
    name = node.make("exports.handler = () => new Promise(() => {})", "nodejs24.x")
    assert node.error(name)["errorType"] == "Runtime.NodeJsExit"
    assert node.value(node.make("exports.handler = (event) => event + 1", "nodejs24.x"), 1) == 2


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


@ON_ALL
def test_errors_of_a_handler(node, runtime):
    name = node.make(
        """
        class Special extends Error { constructor(m) { super(m); this.name = 'Special'; this.code = 7; } }
        exports.handler = async (event) => {
          if (event === 'text') throw 'just text';
          if (event === 'cycle') { const o = {}; o.o = o; return o; }
          if (event === 'large') return 'x'.repeat(6291557);
          throw new Special('boom');
        };
        """,
        runtime,
    )
    failed, error, tail = node.call(name)
    assert error == "Unhandled"
    assert (failed["errorType"], failed["errorMessage"]) == ("Special", "boom")
    assert list(failed) == ["errorType", "errorMessage", "trace"]
    assert failed["trace"][0] == "Special: boom"
    assert "/var/task/index.js:" in failed["trace"][1]
    line = next(line for line in tail.splitlines() if "Invoke Error" in line)
    when, request_id, level, what, document = line.split("\t")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", when)
    assert f"START RequestId: {request_id}" in tail
    assert (level, what.strip()) == ("ERROR", "Invoke Error")
    logged = json.loads(document)
    assert (logged["errorType"], logged["code"], logged["stack"][0]) == (
        "Special",
        7,
        "Special: boom",
    )
    assert node.error(name, "text") == {
        "errorType": "string", "errorMessage": "just text", "trace": [],
    }  # fmt: skip
    assert node.error(name, "cycle")["errorMessage"] == "Unable to stringify response body"
    assert node.error(name, "large")["errorType"] == "Function.ResponseSizeTooLarge"
    assert len(node.server.log_streams(name)) == 1


@ON_ALL
@pytest.mark.parametrize(
    ("files", "handler", "kind", "message"),
    [
        ({"index.js": ""}, "index.handler", "Runtime.HandlerNotFound",
         "index.handler is undefined or not exported"),
        ({"a.js": ""}, "index.handler", "Runtime.ImportModuleError",
         "Error: Cannot find module 'index'\nRequire stack:\n- /var/runtime/index.mjs"),
        ({"index.js": "require('absent')"}, "index.handler", "Runtime.ImportModuleError",
         "Error: Cannot find module 'absent'"),
        ({"index.mjs": "import 'absent'"}, "index.handler", "Runtime.ImportModuleError",
         "Error: Cannot find package 'absent'"),
        ({"index.js": "const ="}, "index.handler", "Runtime.UserCodeSyntaxError",
         "SyntaxError: Unexpected token"),
        ({"index.js": ""}, "index", "Runtime.MalformedHandlerName", "Bad handler"),
        ({"index.js": ""}, "../index.handler", "Runtime.MalformedHandlerName",
         "'../index.handler' is not a valid handler name."),
        ({"index.js": "throw new RangeError('at init')"}, "index.handler", "RangeError", "at init"),
        ({"index.js": "Promise.reject(new Error('lost')); exports.handler = async () => 1; "
          "require('fs').readFileSync('/proc/self/stat')"},
         "index.handler", None, None),
    ],
    ids=["no-export", "no-module", "no-dependency", "no-package", "syntax", "name", "dots", "init",
         "rejection"],
)  # fmt: skip
def test_init_errors(node, runtime, files, handler, kind, message):
    name = node.make(files, runtime, handler)
    if kind is None:  # an unhandled rejection during Init ends the process, sooner or later
        assert node.error(name)["errorType"] in {
            "Runtime.UnhandledPromiseRejection", "Runtime.ExitError",
        }  # fmt: skip
        return
    failed = node.error(name)
    assert failed["errorType"] == kind
    assert failed["errorMessage"].startswith(message)
    assert failed["trace"]


@ON_ALL
def test_what_nobody_catches_and_exits(node, runtime):
    name = node.make(
        """
        let calls = 0;
        exports.handler = async (event) => {
          calls += 1;
          if (event === 'reject') { Promise.reject(new Error('unhandled')); await new Promise((d) => setTimeout(d, 9000)); }
          if (event === 'throw') { setTimeout(() => { throw new TypeError('later'); }, 5); await new Promise((d) => setTimeout(d, 9000)); }
          if (event === 'exit') process.exit(0);
          if (event === 'exit3') process.exit(3);
          return calls;
        };
        """,
        runtime,
    )
    assert node.value(name) == 1
    assert node.value(name) == 2
    failed, _, tail = node.call(name, "reject")
    assert failed["errorType"] == "Runtime.UnhandledPromiseRejection"
    assert failed["errorMessage"] == "Error: unhandled"
    assert "ERROR\tUnhandled Promise Rejection \t{" in tail
    assert node.value(name) == 1  # a new process
    failed, _, tail = node.call(name, "throw")
    assert (failed["errorType"], failed["errorMessage"]) == ("TypeError", "later")
    assert "ERROR\tUncaught Exception \t{" in tail
    request_id = re.search("RequestId: (\\S+)", node.call(name)[2])[1]
    assert request_id
    failed, _, tail = node.call(name, "exit")
    assert failed["errorType"] == "Runtime.ExitError"
    assert failed["errorMessage"].endswith("Error: Runtime exited without providing a reason")
    failed = node.error(name, "exit3")
    assert failed["errorMessage"].endswith("Error: Runtime exited with error: exit status 3")
    assert node.value(name) == 1


# ── logs ─────────────────────────────────────────────────────────────────────────────────────


@ON_ALL
def test_console_lines_are_aws_s(node, runtime, until):
    name = node.make(
        """
        console.log('at init');
        exports.handler = async () => {
          console.log('two\\nlines %d', 7, {a: [1]});
          console.debug('d'); console.warn('w'); console.error('e'); console.info('i');
          process.stdout.write('raw 1\\nraw 2\\n');
          console.log('last');
        };
        """,
        runtime,
    )
    node.call(name)
    until(lambda: any(line.startswith("REPORT") for line in node.server.log(name)))
    log = node.server.log(name)
    assert any(line.endswith("Z\tundefined\tINFO\tat init") for line in log)
    start = next(i for i, line in enumerate(log) if line.startswith("START"))
    request_id = log[start].split()[2]
    told = [line.partition("\t")[2] for line in log[start + 1 : start + 6]]
    assert told == [
        f"{request_id}\tINFO\ttwo\nlines 7 {{ a: [ 1 ] }}",
        *(f"{request_id}\t{level}\t{text}"
          for level, text in (("DEBUG", "d"), ("WARN", "w"), ("ERROR", "e"), ("INFO", "i"))),
    ]  # fmt: skip
    assert log[start + 6 : start + 8] == ["raw 1", "raw 2"]
    assert log[start + 8].endswith("\tINFO\tlast")
    assert log[start + 9].startswith("END ")


@ON_ALL
def test_json_logs(node, runtime, until):
    name = node.make(
        """
        exports.handler = async () => {
          console.debug('left out');
          console.log('text', 1);
          console.log({structured: true});
          console.error('failed', new TypeError('why'));
          throw new RangeError('end');
        };
        """,
        runtime,
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    )
    node.error(name)
    until(lambda: any("platform.report" in line for line in node.server.log(name)))
    lines = [json.loads(line) for line in node.server.log(name)]
    mine = [line for line in lines if "level" in line]
    assert [line["level"] for line in mine] == ["INFO", "INFO", "ERROR", "ERROR"]
    assert mine[0]["message"] == "text 1"
    assert mine[1]["message"] == {"structured": True}
    assert mine[2]["errorType"] == "TypeError"
    assert mine[2]["errorMessage"] == "why"
    assert mine[2]["stackTrace"][0] == "TypeError: why"
    assert mine[3]["message"]["errorType"] == "RangeError"
    assert len({line["requestId"] for line in mine}) == 1


# ── streams ──────────────────────────────────────────────────────────────────────────────────

STREAMING = """
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event?.http) {
    stream = awslambda.HttpResponseStream.from(stream, {statusCode: 202, headers: {a: 'b'}, cookies: ['c=d']});
    stream.write('body');
    stream.end();
    return;
  }
  if (event?.early) throw new TypeError('early');
  if (event?.pipe) {
    await pipeline(Readable.from((function* () { for (let i = 0; i < event.pipe; i++) yield Buffer.alloc(100_000, i); })()), stream);
    return;
  }
  stream.setContentType('text/plain');
  stream.write('one;');
  stream.write({two: 2});
  await new Promise((done) => setTimeout(done, 30));
  if (event?.late) throw new RangeError('late');
  if (event?.crash) process.exit(5);
  if (event?.never) return;
  stream.end('three');
});
exports.notAsync = awslambda.streamifyResponse((event, stream) => stream.end());
"""


@ON_ALL
def test_streams_as_on_aws(node, runtime):
    name = node.make(STREAMING, runtime)
    assert node.stream(name) == (b'one;{"two":2}three', {})
    data, complete = node.stream(name, {"http": True})
    prelude, _, body = data.partition(b"\0" * 8)
    assert json.loads(prelude) == {"statusCode": 202, "headers": {"a": "b"}, "cookies": ["c=d"]}
    assert body == b"body"
    assert complete == {}
    data, complete = node.stream(name, {"pipe": 50})
    assert data == b"".join(bytes([i]) * 100_000 for i in range(50))
    data, complete = node.stream(name, {"early": True})
    assert data == b""
    assert json.loads(complete["ErrorDetails"])["errorType"] == "TypeError"
    data, complete = node.stream(name, {"late": True})
    assert data == b'one;{"two":2}'
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "late"
    data, complete = node.stream(name, {"crash": True})
    assert data == b'one;{"two":2}'
    assert json.loads(complete["ErrorDetails"])["errorMessage"].endswith("exit status 5")
    data, complete = node.stream(name, {"never": True})
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Runtime.NodeJsExit"
    answer = node.server.client.invoke(FunctionName=name)  # a buffered invoke collects it
    assert answer["Payload"].read() == b'one;{"two":2}three'
    wrong = node.make(STREAMING, runtime, "index.notAsync")
    details = json.loads(node.stream(wrong)[1]["ErrorDetails"])
    assert details["errorType"] == "Runtime.MalformedStreamingHandler"


def test_a_wrapper_script_and_node_options(node):
    files = {
        "index.js": "exports.handler = async () => [process.env.WRAPPED, process.execArgv]",
        "wrap.sh": '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n',
    }
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap.sh",
        "NODE_OPTIONS": "--max_old_space_size=64",
    }
    name = node.make(files, Environment={"Variables": variables})
    assert node.value(name) == ["yes", []]


def test_a_large_event_and_many_calls(node):
    name = node.make("exports.handler = async (event) => event", MemorySize=1024)
    event = {"text": "ü" * 900_000}
    assert node.value(name, event) == event
    assert [node.value(name, n) for n in range(50)] == list(range(50))
    assert len(node.server.log_streams(name)) == 1


@pytest.mark.slow
@ON_ALL
def test_an_sdk_at_var_runtime_for_both_kinds_of_modules(start_server, tmp_path, runtime):
    """And without isolation, where every path is the machine's."""
    sdk = tmp_path / "sdk" / "node_modules" / "@aws-sdk" / "client-s3"
    sdk.mkdir(parents=True)
    (sdk / "package.json").write_text(
        '{"name": "@aws-sdk/client-s3", "main": "c.js", "exports": {"import": "./m.mjs", "require": "./c.js"}}'
    )
    (sdk / "c.js").write_text("exports.kind = 'required'")
    (sdk / "m.mjs").write_text("export const kind = 'imported'")
    folders = [str(fetch_interpreters.node(major)) for major in fetch_interpreters.NODE_MAJORS]
    for sandbox in ("auto", "process"):
        server = start_server(
            path=":".join([*folders, os.environ["PATH"]]),
            sandbox=sandbox,
            node_modules_dir=sdk.parent.parent,
        )
        modules = {
            "index.mjs": "import { kind } from '@aws-sdk/client-s3';\n"
            "import fs from 'node:fs';\n"
            "export const handler = async () => { if (!fs.existsSync('/')) return; "
            "return [kind, new Error('x').stack.includes('var/task')]; }",
            "old.cjs": "exports.handler = async () => require('@aws-sdk/client-s3').kind",
        }
        suffix = f"{sandbox}-{runtime[6:8]}"
        options = {"Runtime": runtime, "MemorySize": 512}
        server.function(f"esm-{suffix}", modules, Handler="index.handler", **options)
        server.function(f"cjs-{suffix}", modules, Handler="old.handler", **options)
        assert server.invoke(f"esm-{suffix}")[0] == "imported"
        assert server.invoke(f"cjs-{suffix}") == "required"
        assert server.stop() == 0


def test_a_runtime_without_interpreter_is_created_and_says_what_to_install(start_server):
    """As on AWS a function can be created with any runtime that AWS has; here it may not run."""
    server = start_server()
    server.function("j", {"index.js": ""}, Runtime="java21", Handler="x::y")
    with pytest.raises(ClientError) as refused:
        server.client.invoke(FunctionName="j")
    answer = refused.value.response
    assert answer["Error"]["Code"] == "InvalidRuntimeException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 502
    assert "docs/runtimes.md" in answer["Error"]["Message"]
    with pytest.raises(ClientError, match="InvalidRuntimeException"):
        server.client.invoke_with_response_stream(FunctionName="j")


@pytest.mark.slow
def test_a_blocked_runtime_is_refused_where_the_owner_enforces_aws_s_dates(start_server):
    server = start_server(runtime_block_policy="enforce")
    with pytest.raises(ClientError, match=r"nodejs20\.x is no longer supported for creating") as no:
        server.function("old", {"index.js": ""}, Runtime="nodejs20.x", Handler="index.handler")
    assert no.value.response["Error"]["Code"] == "InvalidParameterValueException"
    server.function("new", {"index.js": ""}, Runtime="nodejs24.x", Handler="index.handler")
