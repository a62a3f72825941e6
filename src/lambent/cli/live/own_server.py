"""The server behind `dev`: one that runs already, or one of our own that ends with us.

Our own makes changes instant (`state_delay_s = 0`): on a server that was started otherwise, every
update stays InProgress for as long as that server lets changes be seen.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent.cli import launching, local, project
from lambent.cli.options import Options
from lambent.delivery.problem import USAGE, Problem

_NAMED = ("LAMBENT_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL")


@dataclass(slots=True)
class OwnServer:
    """A child process; `pidfd` becomes readable when it ends."""

    process: subprocess.Popen[bytes]
    pidfd: int
    url: str
    log: Path
    data_dir: Path
    facts: dict[str, Any]

    def ask_to_stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    def ended(self, wait_s: float) -> bool:
        return bool(select.select([self.pidfd], [], [], wait_s)[0])

    def drain(self) -> bool:
        """Let running invokes end, then all of it; True where Ctrl-C has stopped it at once."""
        hurried = False

        def hurry(*_: object) -> None:
            nonlocal hurried
            hurried = True
            self.kill()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, hurry) for number in numbers}
        try:
            self.ask_to_stop()
            if not self.ended(0.5) and sys.stderr.isatty():
                print("\n  draining; Ctrl-C again stops at once", file=sys.stderr)
            while not self.ended(1.0):
                pass
        finally:
            self.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        return hurried

    def close(self) -> None:
        """After the end, or to make it: nothing is left."""
        if not self.ended(0):
            self.kill()
        self.process.wait()
        os.close(self.pidfd)
        local.forget(self.data_dir, self.process.pid)


def running(options: Options) -> str | None:
    """The endpoint of a server that is there already, or was named; None when we start our own."""
    if options.aws or options.endpoint_url == "aws":
        raise Problem(
            "DEV_NEEDS_SERVER",
            "dev works with a lambent server, not with AWS",
            fix="leave --aws out     or     lambent deploy --aws",
            exit_code=USAGE,
        )
    if options.endpoint_url or any(os.environ.get(name) for name in _NAMED):
        return options.endpoint().rstrip("/")
    found = local.running(local.data_dir())
    return found.url if found else None


def cannot_attach(url: str) -> Problem:
    """Why `--debug` cannot use a server that runs already."""
    return Problem(
        "DEBUG_NEEDS_OWN_SERVER",
        f"--debug cannot use the server at {url}",
        why="a debugger reaches functions only on a server that shares the host's network with them",
        fix="lambent down, then lambent dev --debug     or     LAMBENT_DATA_DIR=OTHER --port OTHER",
    )


def start(
    options: Options, *, port: int | None, debug: bool, data_dir: Path | None = None
) -> OwnServer:
    """Start one on the settings of `up`, changes instant; for a debugger also within reach."""
    from lambent import settings

    given: dict[str, Any] = {"port": port, "region": options.region, "state_delay_s": 0.0}
    if debug:
        # An environment's own network cannot be attached to, and a frozen one does not answer.
        given |= {"network": "host", "freeze": False}
    if data_dir is not None:
        given["data_dir"] = data_dir
    loaded = settings.load_with_origins(given, project=project.settings_file())
    wanted = loaded.settings
    environment = os.environ | project.as_environment(loaded, ("flag", "project"))
    launching.check_port(wanted)
    wanted.data_dir.mkdir(parents=True, exist_ok=True)
    log = wanted.data_dir / local.LOG
    with log.open("ab") as file:
        offset = file.tell()
        process = launching.launch(environment, file, file, bound=True)
    try:
        ready = launching.ready_in_log(process, log, offset)
        url = str(ready["url"])
        local.record(wanted.data_dir, process.pid, url)
        pidfd = os.pidfd_open(process.pid)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return OwnServer(process, pidfd, url, log, wanted.data_dir, ready)
