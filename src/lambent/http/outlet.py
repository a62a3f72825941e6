"""The sending side of a connection: one write per answer, and back-pressure.

Answers that are made while the connection is still serving what arrived in one read are held and
leave together. When the client is slow the transport calls `pause`; whoever streams waits in
`drained`, and the sweep asks `stalled` whether anything has left since it asked last.
"""

from __future__ import annotations

import asyncio
import fcntl
import math
import sys
import termios
from typing import Final

JOIN_BYTES: Final = 16_384
"""Bodies up to this size are copied behind their head; larger ones are never copied."""
HELD_BYTES: Final = 65_536
"""Held answers leave early past this size, so that congestion shows in time."""


class Outlet:
    """Bytes on their way to one client."""

    __slots__ = (
        "_mark",
        "_transport",
        "_waiters",
        "_written",
        "congested",
        "deadline",
        "held",
        "holding",
    )

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.held = b""
        self._written = 0
        self._mark = 0
        self._waiters: list[asyncio.Future[None]] = []
        self.holding = False
        self.congested = False
        self.deadline = math.inf
        """When to ask `stalled`, on the server's clock."""

    def send(self, data: bytes) -> None:
        if self.holding:
            # Nothing plus the first answer copies nothing.
            self.held = held = self.held + data
            if len(held) > HELD_BYTES:
                self.flush()
        else:
            self._written += len(data)
            self._transport.write(data)

    def send_chunk(self, data: bytes) -> None:
        size = b"%x\r\n" % len(data)
        if len(data) <= JOIN_BYTES:
            self.send(b"%b%b\r\n" % (size, data))
        else:
            self.send_parts(size, data, b"\r\n")

    def send_parts(self, *parts: bytes) -> None:
        self.flush()
        self._written += sum(map(len, parts))
        self._transport.writelines(parts)

    def flush(self) -> None:
        held = self.held
        if held:
            self.held = b""
            self._written += len(held)
            self._transport.write(held)

    def pause(self, deadline: float) -> None:
        """The transport has too much to send."""
        self.congested = True
        self._mark = self._sent()
        self.deadline = deadline

    def resume(self) -> None:
        """The transport has room again, or is lost: whoever waits goes on."""
        self.congested = False
        self.deadline = math.inf
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def drained(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.congested:
            waiter = loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def stalled(self, progress: int) -> bool:
        """Whether fewer than `progress` bytes have left since the last time, and some wait."""
        sent = self._sent()
        moved, self._mark = sent - self._mark, sent
        return self.pending() > 0 and moved < progress

    def mark(self) -> None:
        """Count `stalled`'s progress from here."""
        self._mark = self._sent()

    def _sent(self) -> int:
        return self._written - self.pending()

    def pending(self) -> int:
        """Bytes that the client has not acknowledged: the transport's and the kernel's.

        The kernel holds megabytes for a slow client, and for a minute nothing may leave the
        transport although the client reads all the time.
        """
        try:
            waiting = self._transport.get_write_buffer_size()
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                # SIOCOUTQ, under its other name.
                packed = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
                waiting += int.from_bytes(packed, sys.byteorder)
        except (RuntimeError, OSError, ValueError):
            # The socket is closed (uvloop raises RuntimeError for that): nothing will leave.
            return 0
        return waiting
