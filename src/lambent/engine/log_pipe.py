"""Where an environment's output arrives: one pipe for its standard output and error.

The order of what a function prints is the order here. `drain` is called when the runtime answers,
before the END line is written: the runtime has flushed by then, so an invoke's output always
stands between its START and END.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from lambent.observe.log_splitter import LogSplitter

READ_SIZE = 64 * 1024
"""A pipe's capacity."""
MAX_READS = 4


class LogPipe:
    """A pipe whose write end goes to the runtime; `on_message(time_us or None, text)` per event."""

    def __init__(
        self, on_message: Callable[[int | None, bytes], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._on_message = on_message
        self._loop = loop
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self._splitter = LogSplitter()
        loop.add_reader(self._read_end, self._readable)

    def _readable(self) -> None:
        if not self._read():
            self._loop.remove_reader(self._read_end)

    def _read(self) -> bool:
        """Hand on what is there; False at the end of the pipe."""
        try:
            data = os.read(self._read_end, READ_SIZE)
        except BlockingIOError:
            return True
        for time_us, message in self._splitter.feed(data):
            self._on_message(time_us, message)
        return bool(data)

    def drain(self, *, partial: bool = False) -> None:
        """Hand on all that has been written so far; `partial` also a line without its end."""
        for _ in range(MAX_READS):  # a thread that prints without end must not hold us here
            try:
                data = os.read(self._read_end, READ_SIZE)
            except BlockingIOError:
                break
            for time_us, message in self._splitter.feed(data):
                self._on_message(time_us, message)
            if len(data) < READ_SIZE:
                break
        if partial:
            for time_us, message in self._splitter.flush():
                self._on_message(time_us, message)

    def release_write_end(self) -> None:
        """Close our copy of the write end once the runtime has its own."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    @property
    def closed(self) -> bool:
        return self._read_end < 0

    def close(self) -> None:
        if self._read_end >= 0:
            self._loop.remove_reader(self._read_end)
            self.drain(partial=True)
            os.close(self._read_end)
            self._read_end = -1
            self.release_write_end()
