"""The server as a process: `python -m lambent.server`.

Read `serve` top-down: start → ready → wait → drain; `platform` puts the rooms together. Settings come
from `LAMBENT_*` and the user file. On standard output stands one JSON line when the server serves; its
log goes to standard error. SIGTERM and SIGINT drain; a second one stops at once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import signal
import sys

import structlog
import uvloop

from lambent.clock import SystemClock
from lambent.errors import ConfigurationError, SandboxError
from lambent.observe import server_log
from lambent.platform import Platform, open_platform
from lambent.problems import reference
from lambent.settings import Settings, load

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Run until a signal comes, then drain."""
    async with open_platform(settings, SystemClock()) as platform:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _asked_to_stop, platform, number)
        print(json.dumps(platform.facts()), flush=True)  # noqa: T201  the hand-shake with `up`
        log.info("server.ready", url=platform.url)
        _settle_interpreter()
        await platform.stop.wait()
        log.info("server.draining")
        # Load balancers look at /readyz; those that come meanwhile are still served.
        await asyncio.sleep(settings.drain_notice_s)
    log.info("server.stopped")


def _settle_interpreter() -> None:
    """What has been made so far stays: the collector need not look at it again and again.

    Invokes make no cycles, so collections are rare; the threads that write logs and commit must
    give the loop its turn sooner than after the default 5 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    sys.setswitchinterval(0.0005)


def _asked_to_stop(platform: Platform, number: signal.Signals) -> None:
    if platform.stop.is_set():
        log.warning("server.stopped_at_once", signal=number.name)
        os._exit(128 + number)
    platform.stop.set()


def _leave_no_core() -> None:
    """Keys and variables of functions are in this process's memory, and stay there.

    One byte, not none: the kernel starts a core handler behind a pipe even for a limit of 0.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def main() -> int:
    """Exit status: 0 after a drain, 1 when it could not start."""
    _leave_no_core()
    server_log.configure()
    try:
        settings = load()
        server_log.configure(level=settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (ConfigurationError, SandboxError, OSError, ExceptionGroup) as error:
        print(_explained(error), file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _explained(error: Exception) -> str:
    """Why it could not start, as the command line says it; raises what has no name."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # the rooms' tasks wrap what ends them
    if isinstance(error, OSError) and error.filename is not None:
        code, says, fix = (
            "FILE",
            f"{error.filename}: {error.strerror}",
            "check path and permissions",
        )
    elif isinstance(error, (ConfigurationError, SandboxError)):
        code, says, fix = error.code, str(error), error.fix
    else:
        raise error
    lines = [f"error[{code}] {says}", f"  fix   {fix}" if fix else "", f"  doc   {reference(code)}"]
    return "\n".join(line for line in lines if line)


if __name__ == "__main__":
    sys.exit(main())
