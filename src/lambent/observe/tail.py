"""The end of an invoke's log, for callers that ask with `LogType=Tail`.

The front door sends it base64-coded in `X-Amz-Log-Result`; Lambda keeps the last 4 KB.
"""

from __future__ import annotations

from collections.abc import Sequence

TAIL_BYTES = 4096


def tail_of(messages: Sequence[bytes]) -> bytes:
    """The last 4 KB of an invoke's events, each ended by a newline, as one text.

    Walks from the end, so a million lines cost no more than the few that fit.
    """
    kept: list[bytes] = []
    size = 0
    for message in reversed(messages):
        kept.append(message)
        size += len(message) + 1
        if size >= TAIL_BYTES:
            break
    kept.reverse()
    text = b"\n".join(kept) + b"\n" if kept else b""
    if len(text) <= TAIL_BYTES:
        return text
    return _from_character(text[-TAIL_BYTES:])


def _from_character(text: bytes) -> bytes:
    """Leave out the rest of a UTF-8 character that the cut went through (at most three bytes)."""
    start = 0
    while start < 3 and text[start] & 0xC0 == 0x80:
        start += 1
    return text[start:]
