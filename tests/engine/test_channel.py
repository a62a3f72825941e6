"""Frames between the engine and a managed runtime, over a real socket pair."""

import asyncio
import socket
import struct
import threading

import pytest

from lambent.engine.channel import FRAME_LIMIT, Channel
from lambent.runtimes import frames


class Heard:
    """Records what a runtime said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []
        self.something = asyncio.Event()

    def _say(self, what: str, body: bytes = b"") -> None:
        self.said.append((what, body))
        self.something.set()

    def on_ready(self):
        self._say("ready")

    def on_restore_next(self):
        self._say("restore next")

    def on_init_error(self, document):
        self._say("init error", document)

    def on_response(self, payload):
        self._say("response", payload)

    def on_error(self, document):
        self._say("error", document)

    def on_next(self):
        self._say("next")

    def on_protocol_error(self, why):
        self._say("protocol error", why.encode())

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.said) < count:
                self.something.clear()
                await self.something.wait()


def frame(kind: int, body: bytes = b"") -> bytes:
    return struct.pack(">IB", len(body) + 1, kind) + body


def converse(scenario):
    async def main():
        heard = Heard()
        channel = Channel(heard, asyncio.get_running_loop())
        try:
            await scenario(channel, heard)
        finally:
            await channel.close()

    asyncio.run(main())


def test_every_kind_of_frame_is_reported_in_order():
    async def scenario(channel, heard):
        channel.runtime_end.sendall(
            frame(frames.RESTORE_NEXT)
            + frame(frames.READY)
            + frame(frames.RESPONSE, b'{"a":1}')
            + frame(frames.ERROR, b"{}")
            + frame(frames.INIT_ERROR, b"[]")
        )
        await heard.until(7)
        assert heard.said == [
            ("restore next", b""),
            ("ready", b""),
            ("response", b'{"a":1}'),
            ("next", b""),
            ("error", b"{}"),
            ("next", b""),
            ("init error", b"[]"),
        ]

    converse(scenario)


@pytest.mark.parametrize("piece", [1, 2, 4, 5, 7, 64])
def test_frames_may_arrive_in_pieces(piece):
    async def scenario(channel, heard):
        stream = frame(frames.RESPONSE, b"x" * 30) + frame(frames.READY) + frame(frames.RESPONSE)
        for at in range(0, len(stream), piece):
            channel.runtime_end.sendall(stream[at : at + piece])
            await asyncio.sleep(0)
        await heard.until(5)
        assert [what for what, _ in heard.said] == ["response", "next", "ready", "response", "next"]
        assert heard.said[0][1] == b"x" * 30

    converse(scenario)


def test_six_megabytes_pass_both_ways():
    payload = b'"' + b"a" * 6_000_000 + b'"'

    async def scenario(channel, heard):
        def runtime(end: socket.socket) -> None:
            head = end.recv(7, socket.MSG_WAITALL)
            length, kind, header_length = struct.unpack(">IBH", head)
            body = end.recv(length - 3, socket.MSG_WAITALL)
            assert kind == frames.INVOKE
            assert body[:header_length] == b"id\n5"
            end.sendall(frame(frames.RESPONSE, body[header_length:]))

        channel.runtime_end.setblocking(True)
        thread = threading.Thread(target=runtime, args=(channel.runtime_end,))
        thread.start()
        channel.deliver(("id", "5"), payload)
        await heard.until(2)
        thread.join()
        assert heard.said[0] == ("response", payload)

    converse(scenario)


@pytest.mark.parametrize(
    "nonsense", [struct.pack(">IB", FRAME_LIMIT, 18), struct.pack(">IB", 0, 18), frame(77)]
)
def test_nonsense_is_a_protocol_error(nonsense):
    async def scenario(channel, heard):
        channel.runtime_end.sendall(nonsense)
        await heard.until(1)
        assert heard.said[0][0] == "protocol error"

    converse(scenario)


def test_what_a_dead_runtime_still_said_can_be_drained():
    async def scenario(channel, heard):
        channel.runtime_end.sendall(frame(frames.RESPONSE, b"1"))
        channel.runtime_end.close()
        channel.drain()
        assert heard.said == [("response", b"1"), ("next", b"")]

    converse(scenario)


def test_delivering_to_a_runtime_that_is_gone_is_quiet():
    async def scenario(channel, heard):
        channel.runtime_end.close()
        channel.deliver(("id",), b"{}")
        channel.deliver(("id",), b"{}")
        assert heard.said == []

    converse(scenario)
