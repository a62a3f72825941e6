"""Deadlines, exits, memory, words out of turn: the caller is answered and the environment starts again."""

import os

import pytest


@pytest.mark.slow
def test_a_timeout_ends_the_call_and_tmp_survives_but_memory_does_not(engine):
    source = """
import os, time
seen = []
def handler(event, context):
    if event.get("hang"):
        seen.append(1)
        open("/tmp/mark", "w").write("still here")
        time.sleep(60)
    return [os.path.exists("/tmp/mark"), seen, context.log_stream_name]
"""

    async def scenario(e):
        e.function(source, timeout_s=1)
        before = (await e.answer())[2]
        request_id = "22222222-2222-4222-8222-222222222222"
        error = await e.error({"hang": True}, request_id=request_id)
        assert error == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
        }
        assert await e.answer() == [True, [], before]
        log = await e.log()
        assert any(f"{request_id} Task timed out after 1.00 seconds" in line for line in log)
        assert any(line.endswith("\tStatus: timeout") for line in log)

    engine(scenario)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("import sys; sys.exit()", "Runtime exited without providing a reason"),
        ("import os; os._exit(7)", "Runtime exited with error: exit status 7"),
        ("import os; os.abort()", "Runtime exited with error: signal: aborted"),
        (
            "import os; os.kill(os.getpid(), 11)",
            "Runtime exited with error: signal: segmentation fault",
        ),
    ],
)
def test_a_runtime_that_leaves_is_an_exit_error(engine, statement, reason):
    source = f"def handler(event, context):\n    if event:\n        {statement}\n    return 1\n"

    async def scenario(e):
        e.function(source)
        request_id = "33333333-3333-4333-8333-333333333333"
        assert await e.error({"x": 1}, request_id=request_id) == {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: {request_id} Error: {reason}",
        }
        assert await e.answer() == 1

    engine(scenario)


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="memory cgroups need root")
def test_out_of_memory(engine):
    source = (
        "def handler(event, context):\n    x = bytearray(event['mb'] << 20)\n    return len(x)\n"
    )

    async def scenario(e):
        e.function(source, memory_mb=128)
        error = await e.error({"mb": 400})
        assert error["errorType"] == "Runtime.OutOfMemory"
        assert error["errorMessage"].endswith("Runtime exited with error: signal: killed")
        assert await e.answer({"mb": 20}) == 20 << 20

    engine(scenario)


def test_a_runtime_that_speaks_out_of_turn_is_ended(engine):
    source = """
import os, struct
def handler(event, context):
    if event:
        body = b'"forged"'
        os.write(3, struct.pack(">IB", len(body) + 1, 18) + body)  # answers twice
    return "own"
"""

    async def scenario(e):
        e.function(source)
        assert await e.answer({"x": 1}) == "forged"
        assert await e.answer() == "own"

    engine(scenario)
