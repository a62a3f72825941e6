"""One file over http(s) or from S3 into place: resumed, retried, checked.

What is on disk already counts: a request goes on from there where the server can (`Range`), and
starts over where it cannot. An attempt that brought nothing new counts against the tries; one that
did does not, so a slow or often-cut line ends in a whole file. A wrong checksum means starting over,
and a second one means that the registry lies.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from lambent_inference.errors import (
    BrokenPackage,
    Forbidden,
    InferenceError,
    NotFound,
    PlatformMalformed,
    PlatformTimeout,
    PlatformUnreachable,
)
from lambent_inference.models.package import File, sha256

if TYPE_CHECKING:
    from lambent_inference.transport import Answer

TRIES: Final = 4
REDIRECTS_MAX: Final = 5
FILE_MAX_BYTES: Final = 50 << 30
Headers = Mapping[str, str]
Opener = Callable[[Headers], AbstractContextManager["Answer"]]
"""One request with these headers besides, whatever its status."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registry may take; tests have less of it."""

    request_s: float = 120.0
    """One request, after which the next goes on from where it ended."""
    pause_s: float = 0.25
    """Before the second try; doubled for each further one."""


PATIENT: Final = Patience()


def fetch(
    url: str,
    path: Path,
    expected: File | None = None,
    *,
    patience: Patience = PATIENT,
    redo: bool = False,
) -> None:
    """`url` to `path`; `redo` where nobody knows what an earlier attempt's part was of."""
    if redo:
        path.unlink(missing_ok=True)
    Download(lambda headers: get(url, headers, patience.request_s), path, expected, patience).run()


@contextlib.contextmanager
def get(url: str, headers: Headers, seconds: float) -> Iterator[Answer]:
    """A GET, redirects followed; https is never left."""
    from lambent_inference import transport

    for _ in range(REDIRECTS_MAX + 1):
        with transport.exchange("GET", urlsplit(url), headers=headers, seconds=seconds) as answer:
            if answer.status not in {301, 302, 303, 307, 308}:
                yield answer
                return
            target = urljoin(url, answer.headers.get("location", ""))
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise PlatformMalformed(detail="redirected away from https")
        if (
            urlsplit(target).netloc != urlsplit(url).netloc
        ):  # a token is for the one it was given for
            headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
        url = target
    raise PlatformMalformed(detail="too many redirects")


class Download:
    """One file's way here."""

    def __init__(
        self, opener: Opener, path: Path, expected: File | None, patience: Patience
    ) -> None:
        self._open = opener
        self._path = path
        self._expected = expected
        self._patience = patience
        self._tag: str | None = None
        """The server's name (ETag) for what we have a part of."""

    def run(self) -> None:
        lies = 0
        while True:
            self._fill()
            if self._whole():
                return
            self._path.unlink(missing_ok=True)
            lies += 1
            if lies > 1:
                raise BrokenPackage(detail=f"{self._path.name}: the registry's file is another one")

    def _whole(self) -> bool:
        expected = self._expected
        return expected is None or (
            self._path.stat().st_size == expected.size and sha256(self._path) == expected.sha256
        )

    def _fill(self) -> None:
        """Until the file has its size; raises when several tries in a row bring nothing."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        failures = 0
        while True:
            before = self._size()
            if self._expected is not None and before >= self._expected.size:
                return
            try:
                self._once(before)
            except InferenceError as error:
                if isinstance(error, NotFound | Forbidden | PlatformMalformed):
                    raise
                failures = 0 if self._size() > before else failures + 1
                if failures >= TRIES:
                    raise
                pause = self._patience.pause_s * 2**failures
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that many do not come at once
            else:
                return

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _once(self, have: int) -> None:
        from lambent_inference.transport import TooMuch, TooSlow, TransferFailed

        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self._tag is not None:
                headers["If-Range"] = self._tag
        try:
            with self._open(headers) as answer:
                self._take(answer, have)
        except TooMuch as error:
            raise PlatformMalformed(detail=f"{self._path.name}: {error}") from None
        except TooSlow:
            raise PlatformTimeout(detail=f"{self._path.name}: too slow") from None
        except TransferFailed as error:
            raise PlatformUnreachable(detail=f"{self._path.name}: {error}") from None

    def _take(self, answer: Answer, have: int) -> None:
        check(answer.status, self._path.name)
        goes_on = answer.status == 206 and answer.headers.get("content-range", "").startswith(
            f"bytes {have}-"
        )
        if have and answer.status == 206 and not goes_on:
            raise PlatformUnreachable(detail=f"{self._path.name}: another part than asked for")
        self._tag = answer.headers.get("etag")
        if self._tag is not None and self._tag.startswith("W/"):
            self._tag = None
        limit = self._expected.size if self._expected is not None else FILE_MAX_BYTES
        left = limit - have if goes_on else limit
        with self._path.open("ab" if goes_on else "wb") as out:
            for chunk in answer.chunks(left):
                out.write(chunk)


def check(status: int, name: str) -> None:
    """A registry's refusal, as ours."""
    if status in {200, 206}:
        return
    if status in {401, 403}:
        raise Forbidden("The registry refuses access to this model.", detail=f"{name}: {status}")
    if status in {404, 410}:
        raise NotFound(detail=f"{name}: {status}")
    if status == 416:
        raise BrokenPackage(detail=f"{name}: shorter than it should be")
    raise PlatformUnreachable(
        "The registry cannot deliver this model now.", detail=f"{name}: {status}"
    )
