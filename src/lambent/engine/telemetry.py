"""Telemetry of one environment: what its extensions subscribed to, buffered and delivered to them.

The journal hands every event over once (`Telemetry.add`), already encoded. Each subscription has
its own buffer and one task that sends it, into the sandbox's own network, when it is full or its
time has come. A subscriber that does not take what it asked for loses the newest events, and is
told how many (`platform.logsDropped`). (AWS Lambda developer guide, "Lambda Telemetry API".)
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from lambent.clock import Clock
from lambent.errors import LambentError
from lambent.observe.moment import moment

Kind = Literal["platform", "function", "extension"]

SEND_S: Final = 5.0
"""One delivery may take so long; what was not taken is tried again with the next."""
BACKLOG_FACTOR: Final = 4
"""So many full buffers may wait for a subscriber that is slow."""
EARLY_ITEMS: Final = 1_000
"""Events kept for those who subscribe in the course of Init."""
BEHIND: Final = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

OpenSocket = Callable[[], Awaitable[socket.socket]]
Spawn = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a subscriber listens inside the sandbox."""

    protocol: Literal["HTTP", "TCP"]
    port: int
    path: str = "/"
    method: Literal["POST", "PUT"] = "POST"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one extension asked for."""

    name: str
    types: frozenset[Kind]
    destination: Destination
    max_items: int
    max_bytes: int
    timeout_s: float
    logs_api: str = ""
    """Schema of the older Logs API; empty for the Telemetry API."""


class Subscription:
    """One subscriber's buffer, and the sending of it."""

    def __init__(self, wanted: Wanted, open_socket: OpenSocket, clock: Clock, spawn: Spawn) -> None:
        self.wanted = wanted
        self._open_socket = open_socket
        self._clock = clock
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._dropped_bytes = 0
        self._full = asyncio.Event()
        self._some = asyncio.Event()
        self._sending = asyncio.Lock()
        self._ended = asyncio.Event()
        spawn(self._run())

    def add(self, event: bytes) -> None:
        if self._bytes + len(event) > self.wanted.max_bytes * BACKLOG_FACTOR:
            self._dropped += 1
            self._dropped_bytes += len(event)
            return
        self._events.append(event)
        self._bytes += len(event)
        self._some.set()
        if len(self._events) >= self.wanted.max_items or self._bytes >= self.wanted.max_bytes:
            self._full.set()

    async def _run(self) -> None:
        while not self._ended.is_set():
            await self._some.wait()
            await self._at_most(self.wanted.timeout_s, self._full)
            self._full.clear()
            if self._ended.is_set():
                return
            if not await self.flush():
                await self._at_most(self.wanted.timeout_s, self._ended)

    async def _at_most(self, seconds: float, event: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    async def flush(self) -> bool:
        """Send what there is; False when the subscriber did not take it."""
        async with self._sending:
            if self._dropped:
                self._events.append(self._loss())
            count = 0
            size = 0
            for event in self._events:
                if count >= self.wanted.max_items or (count and size > self.wanted.max_bytes):
                    break
                count += 1
                size += len(event)
            batch = [self._events[at] for at in range(count)]
            if not batch:
                self._some.clear()
                return True
            try:
                async with asyncio.timeout(SEND_S):
                    await self._send(batch)
            except (OSError, TimeoutError, LambentError, asyncio.IncompleteReadError):
                return False
            for event in batch:
                self._events.popleft()
                self._bytes -= len(event)
            if not self._events:
                self._some.clear()
        return not self._events or await self.flush()

    def _loss(self) -> bytes:
        record = {
            "reason": BEHIND,
            "droppedRecords": self._dropped,
            "droppedBytes": self._dropped_bytes,
        }
        self._dropped = self._dropped_bytes = 0
        made = _event(self._clock.time_ms(), "platform.logsDropped", record)
        self._bytes += len(made)
        return made

    async def _send(self, batch: list[bytes]) -> None:
        to = self.wanted.destination
        sock = await self._open_socket()
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", to.port))
            reader, writer = await asyncio.open_connection(sock=sock)
        except BaseException:
            sock.close()
            raise
        try:
            if to.protocol == "TCP":
                writer.write(b"\n".join(batch) + b"\n")
                await writer.drain()
            else:
                await _exchange(reader, writer, to, b"[" + b",".join(batch) + b"]")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def close(self) -> None:
        self._ended.set()
        self._some.set()
        self._full.set()


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Destination, body: bytes
) -> None:
    """One request; raises `OSError` unless the answer is 2xx."""
    head = (
        f"{to.method} {to.path} HTTP/1.1\r\nHost: sandbox.localdomain:{to.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode("latin-1") + body)
    await writer.drain()
    status = await reader.readuntil(b"\n")
    if not status.split(b" ")[1:2] or not status.split(b" ")[1].startswith(b"2"):
        raise OSError(f"the subscriber answered {status[:80]!r}")


class Telemetry:
    """All subscriptions of one launch."""

    def __init__(self, clock: Clock, spawn: Spawn, open_socket: OpenSocket) -> None:
        self._clock = clock
        self._spawn = spawn
        self._open_socket = open_socket
        self._subscriptions: dict[str, Subscription] = {}
        self._early: deque[tuple[Kind, bytes, str]] = deque(maxlen=EARLY_ITEMS)
        self._keeps_early = True

    def subscribe(self, wanted: Wanted) -> None:
        """Begin; a second subscription of one extension replaces its first."""
        old = self._subscriptions.pop(wanted.name, None)
        if old is not None:
            old.close()
        made = Subscription(wanted, self._open_socket, self._clock, self._spawn)
        self._subscriptions[wanted.name] = made
        for kind, event, logs_type in self._early:
            self._offer(made, kind, event, logs_type)
        name = "platform.logsSubscription" if wanted.logs_api else "platform.telemetrySubscription"
        record = {"name": wanted.name, "state": "Subscribed", "types": sorted(wanted.types)}
        self.add("platform", _event(self._clock.time_ms(), name, record), name)

    def init_over(self) -> bool:
        """Nobody subscribes from here on; whether anybody has."""
        self._keeps_early = False
        self._early.clear()
        return bool(self._subscriptions)

    def add(self, kind: Kind, event: bytes, name: str = "") -> None:
        """One event, as the Telemetry API shows it; `name` is its type where the Logs API has it."""
        if self._keeps_early:
            self._early.append((kind, event, name))
        for subscription in self._subscriptions.values():
            self._offer(subscription, kind, event, name)

    def output(self, kind: Kind, time_ms: int, message: bytes, *, structured: bool) -> None:
        """A line that the function or an extension printed."""
        text: object = message.decode("utf-8", "replace")
        if structured and message[:1] == b"{":
            with suppress(msgspec.DecodeError):
                text = msgspec.json.decode(message)
        self.add(kind, _event(time_ms, kind, text), kind)

    def platform(self, time_ms: int, name: str, record: object) -> None:
        self.add("platform", _event(time_ms, f"platform.{name}", record), f"platform.{name}")

    def _offer(self, to: Subscription, kind: Kind, event: bytes, name: str) -> None:
        if kind not in to.wanted.types:
            return
        if not to.wanted.logs_api:
            if name != "platform.end":  # of the older API alone
                to.add(event)
        elif name and name in _LOGS_API[to.wanted.logs_api]:
            to.add(event)

    async def flush(self, limit_s: float) -> None:
        """Give every subscriber what there is, within a time."""
        flushing = [s.flush() for s in self._subscriptions.values()]
        if flushing:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await asyncio.gather(*flushing)

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()


_OLDEST: Final = frozenset({
    "function", "extension", "platform.start", "platform.end", "platform.report",
    "platform.extension", "platform.logsSubscription", "platform.fault",
})  # fmt: skip
_LOGS_API: Final = {
    "2020-08-15": _OLDEST,
    "2021-03-18": _OLDEST | {"platform.runtimeDone"},
}


def _event(time_ms: int, name: str, record: object) -> bytes:
    return msgspec.json.encode({"time": moment(time_ms), "type": name, "record": record})
