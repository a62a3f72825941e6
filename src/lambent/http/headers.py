"""Header fields as they came, frozen.

Names are lower-case bytes, values are bytes without surrounding white space. A `Headers` is
complete before the first byte of the body is read, so nothing in a trailer can pose as a header
that was signed. `head.py` and `chunks.py` make them from lines whose syntax was judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

Field = tuple[bytes, bytes]


def split_fields(lines: Iterable[bytes]) -> list[Field]:
    """Well-formed field lines as lower-case names and trimmed values."""
    parts = [line.partition(b":") for line in lines]
    return [(name.lower(), value.strip(b" \t")) for name, _, value in parts]


class Headers:
    """An immutable multimap of header fields."""

    __slots__ = ("_fields", "_index", "repeated")

    def __init__(self, fields: Sequence[Field] = ()) -> None:
        self._fields = fields
        self._index = dict(fields)
        self.repeated = len(self._index) != len(fields)
        """Some name came more than once."""
        if self.repeated:
            self._index = _joined(fields)

    def get(self, name: bytes) -> bytes | None:
        """The value of `name` (lower-case); several fields of one name are joined by a comma."""
        return self._index.get(name)

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self._fields if key == name]

    def items(self) -> Sequence[Field]:
        """Every field in the order it came, repeated names included."""
        return tuple(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        # Names only: values hold credentials, and a repr ends up in logs.
        return f"Headers({[name for name, _ in self._fields]})"


def _joined(fields: Sequence[Field]) -> dict[bytes, bytes]:
    index: dict[bytes, bytes] = {}
    for name, value in fields:
        # RFC 6265: a cookie is the one field whose values contain commas and end in semicolons.
        glue = b"; " if name == b"cookie" else b", "
        index[name] = index[name] + glue + value if name in index else value
    return index


NO_HEADERS = Headers()
