"""`kill -9` in the middle of deliveries: what was accepted is delivered by the next server."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from lambent.clock import ManualClock
from lambent.events.policy import EventPolicy

SERVER = textwrap.dedent(
    """
    import asyncio, os, sys
    from pathlib import Path
    from lambent.clock import SystemClock
    from lambent.engine.invocation import Outcome
    from lambent.events.queue import EventQueue
    from lambent.store.database import Database

    class Callee:
        running = 0

        async def call(self, **call):
            # One of three fails once, one of three never ends, the others succeed.
            print("called", call["request_id"], flush=True)
            kind = int(call["request_id"][1:]) % 3
            if kind == 0:
                await asyncio.sleep(3600)
            error = "Unhandled" if kind == 1 else None
            return Outcome(b"null", "1", function_error=error)

    async def main():
        database = Database(Path(sys.argv[1]))
        await database.open()
        async with asyncio.TaskGroup() as tasks:
            queue = EventQueue(database, Callee(), SystemClock(), tasks.create_task,
                               retry_delays_s=(0.05, 3600), max_in_flight_per_function=16)
            await queue.start()

            async def accept(n):
                await queue.accept("1", "r", f"f{n % 4}", None, b'{"n":%d}' % n, f"r{n}")
                print("accepted", f"r{n}", flush=True)

            for start in range(0, 100_000, 10):
                await asyncio.gather(*(accept(n) for n in range(start, start + 10)))

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("lines", [50, 400, 1500])
def test_nothing_accepted_is_lost(server, tmp_path, lines):
    accepted = killed_while_delivering(tmp_path / "lambent.db", lines)
    assert len(accepted) >= 10

    # Retries of the dead server wait for an hour: time enough to see that they do.
    clock = ManualClock(time.time_ns() // 1_000_000)
    patient = EventPolicy(maximum_event_age_s=1_000_000)

    async def main():
        async with server(clock=clock, policy=lambda _: patient).running() as s:
            known = {row[0] for row in await s.rows("SELECT request_id FROM event_queue")}
            # Those that had succeeded are gone, or come again: at least once.
            ended = accepted - known - {call[1] for call in s.callee.calls}
            assert all(int(request[1:]) % 3 == 2 for request in ended)
            await s.clock.advance(3601)
            await s.empty()
            payloads = {call[1]: call[3]["payload"] for call in s.callee.calls}
            assert accepted <= payloads.keys() | ended
            assert all(payloads[r] == b'{"n":%s}' % r[1:].encode() for r in payloads)

    asyncio.run(asyncio.wait_for(main(), 100))


def killed_while_delivering(database, lines):
    """The request ids that a server said it had accepted before it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(database)], stdout=subprocess.PIPE, text=True
    )
    accepted = set()
    try:
        for count, line in enumerate(child.stdout):
            verb, request = line.split()
            if verb == "accepted":
                accepted.add(request)
            if count >= lines:
                break
        os.kill(child.pid, signal.SIGKILL)
        for line in child.stdout:  # what it had said before it died
            with contextlib.suppress(ValueError):
                verb, request = line.split()
                if verb == "accepted" and line.endswith("\n"):
                    accepted.add(request)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    return accepted
