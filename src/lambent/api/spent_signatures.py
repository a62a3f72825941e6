"""Signatures that have been used, where each counts once (`sign_once`).

AWS takes a signature as often as it comes, until its time is over; so does this server unless its
owner says otherwise. What is remembered is bounded: when it is full, new requests are refused until
the oldest signatures have run out, because forgetting one would let it in again. What was signed
before the server started cannot have been watched, and is refused as well.
"""

from __future__ import annotations

import heapq
import threading
from typing import Final

from lambent.clock import Clock
from lambent.errors import InvalidSignature, TooManyRequests

MOST: Final = 1_000_000
"""Some 150 MB, if ever it comes to that: 3,300 requests a second for five minutes."""
_BYTES: Final = 16
AGAIN: Final = "The signature has been used before, and this server takes each once (sign_once)."
EARLIER: Final = (
    "The request was signed before this server started, which takes each once (sign_once)."
)


class SpentSignatures:
    """Asked from several threads."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._started_ms = clock.time_ms() // 1000 * 1000  # signatures know no milliseconds
        self._spent: set[bytes] = set()
        self._ends: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()

    def spend(self, signature: str, made_ms: int, ends_ms: int) -> None:
        """A verified signature; raises `InvalidSignature` for one that is known."""
        if made_ms < self._started_ms:
            raise InvalidSignature(EARLIER)
        key = bytes.fromhex(signature)[:_BYTES]
        with self._lock:
            self._forget()
            if key in self._spent:
                raise InvalidSignature(AGAIN)
            if len(self._spent) >= self._most:
                raise TooManyRequests("Rate Exceeded.", reason="CallerRateLimitExceeded")
            self._spent.add(key)
            heapq.heappush(self._ends, (ends_ms, key))

    def _forget(self) -> None:
        now_ms = self._clock.time_ms()
        while self._ends and self._ends[0][0] < now_ms:
            self._spent.discard(heapq.heappop(self._ends)[1])
