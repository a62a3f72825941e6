"""The metadata prelude with which a streamed answer to an HTTP integration begins.

JSON (`statusCode`, `headers`, `cookies`), then eight NUL bytes, then the body: what
`awslambda.HttpResponseStream.from` writes on AWS. `PreludeReader` is fed the stream's parts and
tells when the prelude is whole. Only streams of the content type `streaming.HTTP_INTEGRATION`
begin with one. (AWS Lambda developer guide, "Writing response streaming-enabled functions".)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

DELIMITER: Final = b"\0" * 8
PRELUDE_LIMIT: Final = 64 * 1024
"""Bytes; more is no prelude."""


class Prelude(msgspec.Struct, frozen=True, rename="camel"):
    """What the function says of its HTTP answer."""

    status_code: int = 200
    headers: dict[str, Any] = {}
    cookies: list[str] = []


class MalformedPrelude(ValueError):  # noqa: N818  says what is malformed, as the rest of it does
    """The stream does not begin as its content type promises."""


class PreludeReader:
    """Finds the end of the prelude in a stream that comes in parts."""

    __slots__ = ("_so_far",)

    def __init__(self) -> None:
        self._so_far = b""

    def feed(self, data: bytes) -> tuple[Prelude, bytes] | None:
        """The prelude and the first of the body; None while it is incomplete.

        Raises `MalformedPrelude`.
        """
        self._so_far += data
        text, found, body = self._so_far.partition(DELIMITER)
        if len(text) > PRELUDE_LIMIT:
            raise MalformedPrelude(f"the metadata prelude is longer than {PRELUDE_LIMIT} bytes")
        if not found:
            return None
        try:
            prelude = msgspec.json.decode(text, type=Prelude)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedPrelude(
                f"the metadata prelude is not JSON of its form: {error}"
            ) from None
        return prelude, body
