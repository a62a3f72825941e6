"""The process around the handler: path, imports, signals, threads, async, what a start costs."""

from __future__ import annotations

import json
import signal

import pytest

ECHO = "def handler(event, context):\n    return event\n"


def test_path_is_aws_s_order(start, runtime):
    source = "import sys\ndef handler(event, context):\n    return sys.path\n"
    process = start(source, runtime).ready()
    path = process.invoke()
    plan_task = path[0]
    assert plan_task.endswith("/code0")
    assert "/runtime-3." in path[1]
    assert path[2].endswith(f"{runtime.replace('.', '')}.zip")
    assert path[3].endswith(f"/lib/{runtime}")
    assert path[4].endswith(f"/lib/{runtime}/lib-dynload")
    assert len(path) == 5  # no layers here, and no site-packages anywhere


def test_layers_stand_between_the_function_and_the_runtime(start, make, tmp_path, runtime):
    make.files(tmp_path / "one", {
        "python/both.py": "NAME = 'first'",
        f"python/lib/{runtime}/site-packages/deep.py": "NAME = 'deep'",
        "python/jmespath.py": "NAME = 'the layer'",
    })  # fmt: skip
    make.files(tmp_path / "two", {"python/both.py": "NAME = 'last wins'"})
    files = {
        "app.py": "import both, deep, jmespath, six\ndef handler(event, context):\n"
        "    return [both.NAME, deep.NAME, jmespath.NAME, six.NAME]\n",
        "six.py": "NAME = 'the function'",
    }
    layers = (tmp_path / "one", tmp_path / "two")
    assert start(files, runtime, layer_paths=layers).ready().invoke() == [
        "last wins", "deep", "the layer", "the function",
    ]  # fmt: skip


def test_a_layer_s_pth_files_count(start, make, tmp_path):
    make.files(tmp_path / "layer", {
        f"python/lib/{make.running}/site-packages/more.pth": "extra\n",
        f"python/lib/{make.running}/site-packages/extra/inside.py": "NAME = 1",
    })  # fmt: skip
    source = "import inside\n" + ECHO
    assert start(source, layer_paths=(tmp_path / "layer",)).ready().invoke(1) == 1


def test_a_pythonpath_of_the_function_s_own(start, runtime):
    files = {"app.py": "import vendored, sys\ndef handler(event, context):\n    return sys.path\n",
             "lib/vendored.py": ""}  # fmt: skip
    process = start(files, runtime, environment={"PYTHONPATH": "lib:/elsewhere"})
    path = process.ready().invoke()
    assert path[0].endswith("/code0")
    assert path[2] == "/elsewhere"
    assert "/runtime-3." in path[3]


def test_a_start_imports_next_to_nothing(start, runtime):
    source = "import sys\nloaded = sorted(sys.modules)\ndef handler(event, context):\n    return loaded\n"
    loaded = start(source, runtime).ready().invoke()
    costly = {"json", "re", "enum", "typing", "logging", "socket", "signal", "threading", "asyncio",
              "traceback", "site", "collections", "functools", "pathlib", "subprocess"}  # fmt: skip
    assert not costly & set(loaded)


def test_the_environment_is_the_plan_s(evaluator):
    env = evaluator.invoke({"do": "dict(os.environ)"})
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == "f"
    assert env["TZ"] == ":UTC"
    assert not [name for name in env if "LAMBENT" in name]


def test_sigterm_is_graceful_and_threads_do_not_stop_it(start, runtime):
    source = (
        "import atexit, threading\n"
        "atexit.register(print, 'cleaned up')\n"
        "threading.Thread(target=threading.Event().wait).start()\n" + ECHO
    )
    process = start(source, runtime).ready()
    assert process.invoke(1) == 1
    process.process.send_signal(signal.SIGTERM)
    assert process.exit() == 0
    assert process.events() == ["cleaned up"]


def test_sigterm_while_a_handler_runs(start, runtime):
    source = (
        "import atexit, time\natexit.register(print, 'cleaned up')\n"
        "def handler(event, context):\n    print('in', flush=True)\n    time.sleep(60)\n"
    )
    process = start(source, runtime).ready()
    process.send(b"{}")
    while b"in" not in process.output():
        pass
    process.process.send_signal(signal.SIGTERM)
    assert process.exit() == 0
    assert process.receive() is None
    assert process.events() == ["cleaned up"]


def test_a_sigterm_handler_of_the_function_s_own(start):
    source = (
        "import signal, sys\n"
        "def bye(*_):\n    print('mine')\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n" + ECHO
    )
    process = start(source).ready()
    process.process.send_signal(signal.SIGTERM)
    assert process.exit() == 0
    assert process.events() == ["mine"]


def test_a_terminated_child_does_not_run_the_parent_s_exit_hooks(start, runtime):
    source = (
        "import atexit, os, signal, time\natexit.register(print, 'hook')\n"
        "def handler(event, context):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n        time.sleep(60)\n        os._exit(9)\n"
        "    os.kill(pid, signal.SIGTERM)\n"
        "    return os.waitpid(pid, 0)[1]\n"
    )
    process = start(source, runtime).ready()
    for _ in range(50):  # at once after the fork, which is when CPython loses signals
        assert process.invoke() == signal.SIGTERM
    assert process.events() == []


def test_async_handlers_run_on_a_loop_that_lives_on(start, runtime):
    source = (
        "import asyncio\nloops = set()\n"
        "async def handler(event, context):\n"
        "    loops.add(id(asyncio.get_running_loop()))\n"
        "    await asyncio.sleep(0)\n"
        "    if event == 'fail':\n        raise ValueError('async')\n"
        "    return [event, len(loops)]\n"
    )
    process = start(source, runtime).ready()
    assert process.invoke(1) == [1, 1]
    document = process.fail("fail")
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "async")
    assert [entry.split("\n")[0] for entry in document["stackTrace"]] == [
        '  File "/var/task/app.py", line 7, in handler'
    ]
    assert process.invoke(2) == [2, 1]


def test_globals_persist_between_invokes(start, runtime):
    source = "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n\n"
    process = start(source, runtime).ready()
    assert [process.invoke() for _ in range(3)] == [1, 2, 3]


def test_a_function_may_replace_or_close_its_streams(start, runtime):
    process = start(
        "import io, sys\ndef handler(event, context):\n"
        "    if event == 'swap':\n        sys.stdout = io.StringIO()\n"
        "    if event == 'close':\n        sys.__stdout__.close()\n        sys.stdout = None\n"
        "    return 1\n",
        runtime,
    ).ready()
    for event in ("swap", "close", "after"):
        assert process.invoke(event) == 1


def test_no_bytecode_is_written_beside_the_function_s_code(start, tmp_path):
    start({"app.py": "import other\n" + ECHO, "other.py": ""}).ready()
    assert not list(tmp_path.rglob("__pycache__"))


def test_site_builtins_exist(evaluator):
    assert (
        evaluator.invoke({"do": "[callable(exit), callable(quit), callable(help)]"}) == [True] * 3
    )


def test_an_exec_wrapper_is_run_with_the_command(start, tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/bash\nexport WRAPPED="$#"\nexec "$@"\n')
    wrapper.chmod(0o755)
    source = "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n"
    process = start(source, environment={"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)}).ready()
    assert process.invoke() == "6"


def test_a_missing_wrapper_exits_127(start):
    process = start(ECHO, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/absent"})
    assert process.receive() is None
    assert process.exit() == 127


@pytest.mark.parametrize("count", [2000])
def test_memory_does_not_grow_with_invokes(start, count):
    source = (
        "import resource\ndef handler(event, context):\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
    )
    process = start(source).ready()
    payload = json.dumps({"x": "y" * 1000}).encode()
    for _ in range(200):
        before = process.invoke(raw=payload)
    for _ in range(count):
        after = process.invoke(raw=payload)
    assert after - before < 2048  # KiB
