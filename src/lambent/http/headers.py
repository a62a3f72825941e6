"""Header fields as they came, frozen.

Names are lower-case bytes, values are bytes without surrounding white space. A `Headers` is
complete before the first byte of the body is read, so nothing in a trailer can pose as a header
that was signed. `head.py` makes them from heads that llhttp has judged; they are split when
somebody first asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

Field = tuple[bytes, bytes]

_FIELD = re.compile(rb"\r\n([!#-'*+.^-z|~-]+):[ \t]*([^\r]*)")
"""A field line behind the line before it; sound only for a head without bare CR or LF."""


class Headers:
    """An immutable multimap of header fields."""

    __slots__ = ("_fields", "_index", "_raw")

    def __init__(self, raw: bytes = b"") -> None:
        """`raw`: from the CRLF before the first field, or from any line before that, on."""
        self._raw = raw
        self._fields: tuple[Field, ...] | None = None
        self._index: dict[bytes, bytes] | None = None

    def get(self, name: bytes) -> bytes | None:
        """The value of `name` (lower-case); several fields of one name are joined by a comma."""
        index = self._index
        if index is None:
            index = self._split()
        return index.get(name)

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.items() if key == name]

    def items(self) -> Sequence[Field]:
        """Every field in the order it came, repeated names included."""
        if self._fields is None:
            self._split()
            assert self._fields is not None
        return self._fields

    def _split(self) -> dict[bytes, bytes]:
        fields = [(name.lower(), value) for name, value in _FIELD.findall(self._raw)]
        if b" \r\n" in self._raw or b"\t\r\n" in self._raw:
            fields = [(name, value.rstrip(b" \t")) for name, value in fields]
        self._raw = b""
        self._fields = tuple(fields)
        self._index = index = dict(fields)
        if len(index) != len(fields):
            self._index = index = _joined(fields)
        return index

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.items())

    def __iter__(self) -> Iterator[Field]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self.items())

    def __repr__(self) -> str:
        # Names only: values hold credentials, and a repr ends up in logs.
        return f"Headers({[name for name, _ in self.items()]})"


def _joined(fields: Sequence[Field]) -> dict[bytes, bytes]:
    index: dict[bytes, bytes] = {}
    for name, value in fields:
        # RFC 6265: a cookie is the one field whose values contain commas and end in semicolons.
        glue = b"; " if name == b"cookie" else b", "
        index[name] = index[name] + glue + value if name in index else value
    return index


NO_HEADERS = Headers()
