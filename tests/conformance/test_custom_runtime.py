"""`provided` runtimes over the real HTTP Runtime API: shell, Python, AWS's own client, and bad ones."""

import base64
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts an interpreter or two in a sandbox of its own

SYSTEM_PYTHON = "/usr/bin/python3"
"""Functions see /usr, and no interpreter of ours."""

has_python = pytest.mark.skipif(
    not Path(SYSTEM_PYTHON).exists(), reason=f"no {SYSTEM_PYTHON}, which a sandbox could show"
)

SHELL = """#!/bin/bash
set -u
ready=
call() {  # method path body: sets id and event, or reads the answer away
    exec 9<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}"
    printf '%s %s HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: %s\\r\\n\\r\\n%s' \\
        "$1" "/2018-06-01/runtime/$2" "${#3}" "$3" >&9
    while IFS= read -r line <&9 && line=${line%$'\\r'} && [ -n "$line" ]; do
        case "${line,,}" in lambda-runtime-aws-request-id:*) id=${line#*: } ;; esac
    done
    event=$(cat <&9)
    exec 9>&-
}
while :; do
    call GET invocation/next ""
    echo "got $event"
    call POST "invocation/$id/response" "{\\"shell\\": true, \\"task\\": \\"$LAMBDA_TASK_ROOT\\", \\"echo\\": $event}"
done
"""

CURL = """#!/bin/sh
set -eu
base=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while :; do
    curl -sS -L -D /tmp/headers -o /tmp/event "$base/next"
    id=$(grep -i '^lambda-runtime-aws-request-id:' /tmp/headers | cut -d' ' -f2 | tr -d '\\r')
    curl -sS -X POST "$base/$id/response" -d "$(cat /tmp/event)" >/dev/null
done
"""

PYTHON = """#!/usr/bin/python3
import json, os, sys, time, urllib.error, urllib.request
BASE = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/"
def post(path, value, **headers):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE + path, body, headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
def next_():
    with urllib.request.urlopen(BASE + "invocation/next") as answer:
        return dict(answer.headers), json.loads(answer.read())
def id_of(headers):
    return headers["Lambda-Runtime-Aws-Request-Id"]
"""

ANSWERING = """
while True:
    headers, event = next_()
    post(f"invocation/{id_of(headers)}/response", event)
"""


def custom(server, name, bootstrap, runtime="provided.al2023", files=None, **options):
    server.function(
        name,
        {**({} if bootstrap is None else {"bootstrap": bootstrap}), **(files or {})},
        **{"Runtime": runtime, "Handler": "app.handler", "MemorySize": 1769, **options},
    )


def called(server, name, payload=None, **options):
    """The answer of an invoke with its payload decoded."""
    answer = server.client.invoke(
        FunctionName=name, Payload=json.dumps(payload or {}).encode(), LogType="Tail", **options
    )
    return {
        "value": json.loads(answer["Payload"].read()),
        "error": answer.get("FunctionError"),
        "request_id": answer["ResponseMetadata"]["RequestId"],
        "tail": base64.b64decode(answer["LogResult"]).decode(),
    }


# ── the runtime's side, well behaved ─────────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("bash", path="/usr/bin") is None, reason="no /usr/bin/bash")
@pytest.mark.parametrize("runtime", ["provided.al2023", "provided.al2"])
def test_a_shell_bootstrap(server, name, runtime):
    custom(server, name, SHELL, runtime)
    for n in range(3):
        answer = called(server, name, {"n": n})
        assert answer["value"] == {"shell": True, "task": "/var/task", "echo": {"n": n}}
        assert answer["error"] is None
        assert f'got {{"n": {n}}}' in answer["tail"].splitlines()


@pytest.mark.skipif(shutil.which("curl", path="/usr/bin") is None, reason="no /usr/bin/curl")
def test_a_bootstrap_with_curl_as_in_the_developer_guide(server, name):
    custom(server, name, CURL)
    for n in range(3):
        assert called(server, name, {"n": n})["value"] == {"n": n}


@has_python
def test_what_a_runtime_is_told_with_each_event(server, name):
    custom(
        server,
        name,
        PYTHON
        + """
while True:
    headers, event = next_()
    told = {key.lower(): value for key, value in headers.items() if key.lower().startswith("lambda-")}
    told["now"] = int(time.time() * 1000)
    told["environ"] = dict(os.environ)
    told["cwd"] = os.getcwd()
    told["argv"] = sys.argv
    post(f"invocation/{id_of(headers)}/response", told)
""",
        Timeout=20,
    )
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    answer = called(server, name, ClientContext=context)
    told = answer["value"]
    assert told["lambda-runtime-aws-request-id"] == answer["request_id"]
    assert 0 < int(told["lambda-runtime-deadline-ms"]) - told["now"] <= 20_000
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert told["lambda-runtime-invoked-function-arn"] == arn
    assert told["lambda-runtime-trace-id"].startswith("Root=1-")
    assert json.loads(told["lambda-runtime-client-context"]) == {"custom": {"k": "v"}}
    assert "lambda-runtime-cognito-identity" not in told
    assert told["environ"]["_HANDLER"] == "app.handler"
    assert told["environ"]["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert "AWS_EXECUTION_ENV" not in told["environ"]
    assert told["cwd"] == "/var/task"
    assert told["argv"] == ["/var/task/bootstrap"]
    assert called(server, f"{name}:$LATEST")["value"]["lambda-runtime-invoked-function-arn"] == (
        f"{arn}:$LATEST"
    )


@has_python
def test_errors_and_large_answers(server, name, until):
    custom(
        server,
        name,
        PYTHON
        + """
while True:
    headers, event = next_()
    path = f"invocation/{id_of(headers)}/"
    if event.get("fail"):
        error = {"errorMessage": "no", "errorType": "Custom.No", "stackTrace": []}
        print(post(path + "error", error, **{"Lambda-Runtime-Function-Error-Type": "Custom.No"}))
    elif "size" in event:
        print(post(path + "response", b'"' + b"a" * (event["size"] - 2) + b'"'), flush=True)
    else:
        post(path + "response", event)
""",
    )
    answer = called(server, name, {"fail": True})
    assert answer["error"] == "Unhandled"
    assert answer["value"] == {"errorMessage": "no", "errorType": "Custom.No", "stackTrace": []}
    assert len(called(server, name, {"size": 6_291_556})["value"]) == 6_291_554
    answer = called(server, name, {"size": 6_291_557})
    assert answer["value"] == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert called(server, name, {"n": 1})["value"] == {"n": 1}, "it stays usable"
    assert len(server.log_streams(name)) == 1
    until(lambda: any(line.startswith("(413, ") for line in server.log(name)))


@has_python
def test_a_timeout_starts_the_bootstrap_again_where_it_was(server, name):
    source = """
while True:
    headers, event = next_()
    if event.get("hang"):
        open("/tmp/kept", "w").close()
        time.sleep(100)
    post(f"invocation/{id_of(headers)}/response", [os.listdir("/tmp"), os.getpid()])
"""
    custom(server, name, PYTHON + source, Timeout=1)
    first = called(server, name)["value"]
    assert first[0] == []
    answer = called(server, name, {"hang": True})
    assert answer["value"] == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {answer['request_id']} Error: Task timed out after 1.00 seconds",
    }
    again = called(server, name)["value"]
    assert again[0] == ["kept"]
    assert again[1] != first[1]


# ── AWS's own runtime client ─────────────────────────────────────────────────────────────────


def system_python_minor():
    if not Path(SYSTEM_PYTHON).exists():
        return None
    code = "import sys; print(sys.version_info.minor)"
    done = subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, check=True)
    return int(done.stdout)


def vendored():
    """The real awslambdaric and what it imports, as `pip install --target` would lay them."""
    awslambdaric = pytest.importorskip("awslambdaric")
    site = Path(awslambdaric.__file__).parent.parent
    files = {}
    for pattern in ("awslambdaric/**/*.py", "runtime_client*.so", "simplejson/**/*.py",
                    "snapshot_restore_py/**/*.py", "snapshot_restore_py.py"):  # fmt: skip
        for path in site.glob(pattern):
            files[str(path.relative_to(site))] = path.read_bytes()
    return files


RIC_HANDLER = """
import json, logging, os, sys, time
if os.environ.get("BREAK_INIT"):
    raise RuntimeError("init is broken")
logging.getLogger().setLevel("INFO")
def handler(event, context):
    if event.get("log"):
        print("printed")
        logging.info("logged")
    if event.get("fail"):
        raise ValueError("a bad value")
    if event.get("exit"):
        sys.exit(3)
    if event.get("hang"):
        time.sleep(100)
    if "size" in event:
        return "a" * (event["size"] - 2)
    if event.get("unserialisable"):
        return object()
    return {
        "event": event, "id": context.aws_request_id, "arn": context.invoked_function_arn,
        "name": context.function_name, "version": context.function_version,
        "memory": context.memory_limit_in_mb, "group": context.log_group_name,
        "stream": context.log_stream_name, "left": context.get_remaining_time_in_millis(),
        "custom": context.client_context and context.client_context.custom,
    }
"""


@pytest.fixture
def ric(server, name):
    if system_python_minor() != sys.version_info.minor:
        pytest.skip(
            f"awslambdaric's C extension is built for Python 3.{sys.version_info.minor}, "
            f"and {SYSTEM_PYTHON} is another"
        )
    bootstrap = '#!/bin/sh\nexec /usr/bin/python3 -m awslambdaric "$_HANDLER"\n'

    def make(**options):
        files = {**vendored(), "app.py": RIC_HANDLER}
        custom(server, name, bootstrap, files=files, **options)
        return name

    return make


def test_awslambdaric_answers_logs_and_knows_its_context(server, ric):
    name = ric(Timeout=20)
    context = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    answer = called(server, name, {"log": True}, ClientContext=context)
    value = answer["value"]
    assert 0 < value.pop("left") <= 20_000
    assert value.pop("stream") in server.log_streams(name)
    assert value == {
        "event": {"log": True},
        "id": answer["request_id"],
        "arn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        "name": name,
        "version": "$LATEST",
        "memory": "1769",
        "group": f"/aws/lambda/{name}",
        "custom": {"k": "v"},
    }
    lines = answer["tail"].splitlines()
    assert lines[0] == f"START RequestId: {answer['request_id']} Version: $LATEST"
    assert lines[1] == "printed"
    assert lines[2].startswith("[INFO]\t")
    assert lines[2].endswith(f"Z\t{answer['request_id']}\tlogged")
    for n in range(5):
        assert called(server, name, {"n": n})["value"]["event"] == {"n": n}
    assert len(server.log_streams(name)) == 1


def test_awslambdaric_reports_errors(server, ric):
    name = ric()
    answer = called(server, name, {"fail": True})
    assert answer["error"] == "Unhandled"
    assert answer["value"]["errorType"] == "ValueError"
    assert answer["value"]["errorMessage"] == "a bad value"
    assert answer["value"]["requestId"] == answer["request_id"]
    assert answer["value"]["stackTrace"][0].startswith('  File "/var/task/app.py", line ')
    assert called(server, name, {"unserialisable": True})["value"]["errorType"] == (
        "Runtime.MarshalError"
    )
    too_large = called(server, name, {"size": 6_291_557})
    assert too_large["value"]["errorType"] == "Function.ResponseSizeTooLarge"
    assert called(server, name, {"n": 1})["value"]["event"] == {"n": 1}
    exited = called(server, name, {"exit": True})
    assert exited["value"] == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {exited['request_id']} Error: "
        "Runtime exited with error: exit status 3",
    }
    assert called(server, name, {"n": 2})["value"]["event"] == {"n": 2}


def test_awslambdaric_reports_a_broken_init(server, ric):
    name = ric(Environment={"Variables": {"BREAK_INIT": "1"}})
    answer = called(server, name)
    assert answer["error"] == "Unhandled"
    assert answer["value"]["errorType"] == "RuntimeError"
    assert answer["value"]["errorMessage"] == "init is broken"


def test_awslambdaric_times_out(server, ric):
    name = ric(Timeout=2)
    answer = called(server, name, {"hang": True})
    assert answer["value"]["errorType"] == "Sandbox.Timedout"
    assert called(server, name, {"n": 1})["value"]["event"] == {"n": 1}


# ── bootstraps that do it wrong ──────────────────────────────────────────────────────────────


def test_a_bootstrap_that_is_missing(server, name):
    custom(server, name, None, files={"app.py": "x"})
    value = called(server, name)["value"]
    assert value["errorType"] == "Runtime.InvalidEntrypoint"
    assert "Couldn't find valid bootstrap(s): [" in value["errorMessage"]


def test_a_bootstrap_that_is_not_executable(server, name, archive):
    server.client.create_function(
        FunctionName=name,
        Role="arn:aws:iam::123456789012:role/test",
        Runtime="provided.al2023",
        Handler="x",
        Code={"ZipFile": archive({"bootstrap": "#!/bin/sh\n"}, mode=0o644)},
    )
    server.active(name)
    value = called(server, name)["value"]
    assert value["errorType"] == "Runtime.InvalidEntrypoint"
    assert value["errorMessage"].endswith("fork/exec /var/task/bootstrap: permission denied")


@pytest.mark.parametrize(
    ("bootstrap", "message"),
    [
        ("#!/bin/sh\nexit 7\n", "Runtime exited with error: exit status 7"),
        ("#!/bin/sh\nexit 0\n", "Runtime exited without providing a reason"),
        ("#!/bin/sh\nkill -KILL $$\n", "Runtime exited with error: signal: killed"),
        ("#!/no/such/interpreter\n", None),
        ("\x7fELF and nothing behind it", None),
    ],
    ids=["7", "0", "killed", "no interpreter", "no program"],
)
def test_a_bootstrap_that_exits_at_once(server, name, bootstrap, message):
    custom(server, name, bootstrap)
    for _ in range(2):
        answer = called(server, name)
        assert answer["error"] == "Unhandled"
        if message is None:
            assert answer["value"]["errorType"] in {
                "Runtime.ExitError",
                "Runtime.InvalidEntrypoint",
            }
        else:
            assert answer["value"] == {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {answer['request_id']} Error: {message}",
            }


def test_a_bootstrap_that_never_calls_next(server, name):
    # Ten seconds of Init, then once more inside the invoke, within the function's time-out.
    custom(server, name, "#!/bin/sh\necho starting\nexec sleep 1000\n", Timeout=1)
    before = time.monotonic()
    answer = called(server, name)
    assert time.monotonic() - before >= 11
    assert answer["value"]["errorType"] == "Sandbox.Timedout"
    assert answer["value"]["errorMessage"].endswith("Task timed out after 1.00 seconds")
    lines = server.log(name)
    assert lines.count("starting") == 2
    assert any(line.startswith("INIT_REPORT Init Duration: ") and "Status: timeout" in line
               for line in lines)  # fmt: skip


@has_python
def test_a_bootstrap_that_needs_its_second_chance(server, name):
    source = """
if not os.path.exists("/tmp/tried"):
    open("/tmp/tried", "w").close()
    print(post("init/error", {"errorMessage": "first", "errorType": "Init.First"}), flush=True)
    sys.exit(1)
"""
    custom(server, name, PYTHON + source + ANSWERING)
    answer = called(server, name, {"n": 1})
    assert answer["value"] == {"n": 1}
    assert any("Init.First" in line for line in server.log(name))


@has_python
def test_an_init_error_is_what_the_caller_reads(server, name):
    source = """
post("init/error", {"errorMessage": "broken", "errorType": "Init.Broken"})
sys.exit(1)
"""
    custom(server, name, PYTHON + source)
    answer = called(server, name)
    assert answer["error"] == "Unhandled"
    assert answer["value"] == {"errorMessage": "broken", "errorType": "Init.Broken"}


@has_python
def test_calls_out_of_turn_are_refused_and_harm_nothing(server, name):
    source = """
said = []
while True:
    headers, event = next_()
    mine = f"invocation/{id_of(headers)}/response"
    if event.get("wrong"):
        for path in ("invocation/00000000-0000-4000-8000-000000000000/response",
                     "invocation//response", "invocation/x/error", "nothing", "init/error"):
            said.append([path, *post(path, {})])
        said.append(["own", post(mine, "first")[0]])
        said.append(["twice", *post(mine, "second")])
    else:
        post(mine, said)
"""
    custom(server, name, PYTHON + source)
    assert called(server, name, {"wrong": True})["value"] == "first"
    said = called(server, name)["value"]
    codes = {entry[0]: entry[1] for entry in said}
    assert codes == {
        "invocation/00000000-0000-4000-8000-000000000000/response": 400,
        "invocation//response": 400,
        "invocation/x/error": 400,
        "nothing": 404,
        "init/error": 403,
        "own": 202,
        "twice": 400,
    }
    assert "InvalidRequestID" in next(entry[2] for entry in said if entry[0] == "twice")
    assert len(server.log_streams(name)) == 1


@has_python
def test_next_in_the_middle_of_an_invoke_is_refused(server, name):
    source = """
while True:
    headers, event = next_()
    try:
        next_()
        said = "given another"
    except urllib.error.HTTPError as error:
        with error:
            said = [error.code, json.loads(error.read())["errorType"]]
    post(f"invocation/{id_of(headers)}/response", said)
"""
    custom(server, name, PYTHON + source)
    for _ in range(2):
        assert called(server, name)["value"] == [403, "InvalidStateTransition"]


@has_python
def test_two_calls_for_next_at_once(server, name):
    source = """
import threading
refused = []
def another():
    try:
        next_()
    except urllib.error.HTTPError as error:
        with error:
            refused.append(error.code)
while True:
    thread = threading.Timer(0.2, another)
    thread.start()
    headers, event = next_()
    thread.join()
    post(f"invocation/{id_of(headers)}/response", refused)
"""
    custom(server, name, PYTHON + source)
    assert called(server, name)["value"] in ([], [403])
    time.sleep(0.5)
    assert 403 in called(server, name)["value"]


@has_python
def test_a_runtime_that_drops_its_call_for_next_is_started_again(server, name, until):
    source = """
import socket
if not os.path.exists("/tmp/tried"):
    open("/tmp/tried", "w").close()
    headers, event = next_()
    post(f"invocation/{id_of(headers)}/response", event)
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        time.sleep(0.03)
    time.sleep(1000)
"""
    custom(server, name, PYTHON + source + ANSWERING)
    assert called(server, name, {"n": 0})["value"] == {"n": 0}
    until(lambda: sum(line.startswith("INIT_START") for line in server.log(name)) == 2)
    for n in range(1, 4):
        assert called(server, name, {"n": n})["value"] == {"n": n}
    assert len(server.log_streams(name)) == 1


@has_python
def test_a_runtime_that_never_asks_for_more_is_not_waited_for(server, name):
    source = """
while True:
    headers, event = next_()
    post(f"invocation/{id_of(headers)}/response", event)
    time.sleep(1000)
"""
    custom(server, name, PYTHON + source, Timeout=60)
    for n in range(3):
        assert called(server, name, {"n": n})["value"] == {"n": n}
    assert len(server.log_streams(name)) == 3


@has_python
def test_many_custom_functions_have_a_runtime_api_each(server, name):
    names = [f"{name}-{n}" for n in range(3)]
    for each in names:
        custom(server, each, PYTHON + ANSWERING)
    try:
        for n in range(3):
            for each in names:
                assert called(server, each, {each: n})["value"] == {each: n}
    finally:
        for each in names:
            server.client.delete_function(FunctionName=each)
