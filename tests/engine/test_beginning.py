"""Init: what it costs, when it fails, when it is tried again; real sandboxes and runtimes."""

import pytest

ECHO = "def handler(event, context):\n    return event\n"


def test_the_cold_start_is_billed_and_told_once(engine):
    async def scenario(e):
        e.function("import time\ntime.sleep(0.2)\n" + ECHO)
        cold, warm = await e.call(), await e.call()
        assert cold.init_ms >= 200
        assert cold.billed_ms >= cold.init_ms + cold.duration_ms
        assert cold.billed_ms < cold.init_ms + cold.duration_ms + 2
        assert warm.init_ms is None
        assert warm.billed_ms < 200
        assert 0 < warm.memory_used_mb < 128

    engine(scenario)


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("import nowhere\n" + ECHO, "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("def handler(:\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("x = 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise ValueError('no')\n", "ValueError", "no"),
    ],
)
def test_a_failing_init_is_tried_again_inside_the_first_invoke(engine, source, kind, text):
    async def scenario(e):
        e.function(source)
        error = await e.error()
        assert error["errorType"] == kind
        assert text in error["errorMessage"]
        log = await e.log()
        reports = [line for line in log if line.startswith("INIT_REPORT")]
        assert len(reports) == 2
        assert "Phase: init\tStatus: error" in reports[0]
        assert "Phase: invoke\tStatus: error" in reports[1]
        assert (await e.error())["errorType"] == kind

    engine(scenario)


def test_an_init_that_succeeds_the_second_time_serves(engine):
    source = """
import os
if not os.path.exists("/tmp/tried"):
    open("/tmp/tried", "w").close()
    raise RuntimeError("not yet")
def handler(event, context):
    return "served"
"""

    async def scenario(e):
        e.function(source)
        assert await e.answer() == "served"
        assert await e.answer() == "served"

    engine(scenario)


def test_a_crash_in_init_reads_like_lambdas_timeout_and_the_log_tells_the_truth(engine):
    async def scenario(e):
        e.function("import os\nos.kill(os.getpid(), 11)\n", timeout_s=30)
        error = await e.error()
        assert error["errorType"] == "Sandbox.Timedout"
        assert error["errorMessage"].endswith("Task timed out after 30.00 seconds")
        assert any("signal: segmentation fault" in line for line in await e.log())

    engine(scenario)
