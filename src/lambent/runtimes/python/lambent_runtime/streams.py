"""Answers in parts: what a generator or an async generator yields goes out as it comes.

AWS's Python runtime has no streaming; this is ours (docs/streaming.md says how to get the same
there). `str` is sent as UTF-8, bytes as they are, anything else as a line of JSON. A first item that
is a dict with `statusCode` is the metadata of an HTTP answer. Imported with the first such answer.
Nothing is sent before the first item is there: a handler that fails until then fails as any other.
"""

from . import channel, codec, failures
from .state import STATE

CHUNK_BYTES = 65536
ASYNC_CHUNK_BYTES = 32768
"""So small that a channel which may be written to takes it whole, and the event loop never blocks."""
PLAIN = b"application/octet-stream"
HTTP = b"application/vnd.awslambda.http-integration-response"
DELIMITER = b"\0" * 8
_NOTHING = object()


def answer(stream, request_id: str, run):
    """Send all that `stream` yields; (kind, body) of the frame that ends the answer.

    `run` runs a coroutine to its end.
    """
    started: list = []
    try:
        if hasattr(stream, "__anext__"):
            run(_send_async(stream, started))
        else:
            _send_all(stream, started)
    except Exception as error:
        if isinstance(error, channel.ChannelClosed):
            raise
        kind = channel.STREAM_END if started else channel.ERROR
        return kind, failures.report(error, request_id)
    return channel.STREAM_END, b""


def _send_all(stream, started) -> None:
    try:
        first = next(stream, _NOTHING)
        for data in _begin(first, started):
            _send(data)
        for item in stream:
            _send(_bytes(item))
    finally:
        stream.close()


async def _send_async(stream, started) -> None:
    try:
        first = await _first(stream)
        for data in _begin(first, started):
            await _send_when_writable(data)
        async for item in stream:
            await _send_when_writable(_bytes(item))
    finally:
        await stream.aclose()


async def _first(stream):
    """`anext` with a default, which Python has from 3.10 on."""
    async for item in stream:
        return item
    return _NOTHING


def _begin(first, started):
    """Send the beginning; what of `first` belongs to the body."""
    is_metadata = isinstance(first, dict) and "statusCode" in first
    data = b"" if first is _NOTHING else _bytes(first)
    prelude = codec.dumps(first) + DELIMITER if is_metadata else b""
    channel.send(channel.STREAM, HTTP if is_metadata else PLAIN)
    started.append(True)
    return [prelude or data]


def _bytes(item):
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    try:
        return codec.dumps(item) + b"\n"
    except Exception as error:
        raise failures.RuntimeFault(
            "Runtime.MarshalError", "Unable to marshal response: %s" % error
        ) from None


def _send(data) -> None:
    for at in range(0, len(data), CHUNK_BYTES):
        channel.send(channel.CHUNK, data[at : at + CHUNK_BYTES])


async def _send_when_writable(data) -> None:
    """While the client is slow, the function's other tasks go on."""
    import asyncio

    loop = asyncio.get_running_loop()
    fd = STATE.channel_fd
    for at in range(0, len(data), ASYNC_CHUNK_BYTES):
        if not _writable(fd):
            ready = loop.create_future()
            loop.add_writer(fd, _set, ready)
            try:
                await ready
            finally:
                loop.remove_writer(fd)
        channel.send(channel.CHUNK, data[at : at + ASYNC_CHUNK_BYTES])


def _set(future) -> None:
    if not future.done():
        future.set_result(None)


def _writable(fd) -> bool:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))
