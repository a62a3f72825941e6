"""Whether a payload is JSON, and if not, what AWS's parser would say.

`check` is the hot path: a C parser walks the bytes and makes nothing of them. Only when that
refuses does the scanner here read them in Python; it finds the fault and words it as Jackson
does, whose text reaches Lambda's clients (LAMBDA.md 74). The scanner also accepts what Jackson
accepts and the C parser does not: escapes of lone surrogates.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

import msgspec

from lambent.errors import InvalidRequestContent

MAX_DEPTH: Final = 1000
"""Jackson's StreamReadConstraints."""

SCAN_MAX_BYTES: Final = 65_536
"""Past this a fault is described from where the C parser stopped: reading 6 MB in Python would
hold the event loop for seconds."""

_SOURCE: Final = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
_TOO_DEEP: Final = (
    f"Document nesting depth ({MAX_DEPTH + 1}) exceeds the maximum allowed "
    f"({MAX_DEPTH}, from `StreamReadConstraints.getMaxNestingDepth()`)"
)
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_PLAIN: Final = re.compile(rb'[^"\\\x00-\x1f\x80-\xff]*')
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD: Final = re.compile(rb"[A-Za-z0-9_$\x80-\xff]*")
_HEX4: Final = re.compile(rb"[0-9A-Fa-f]{4}")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BYTE: Final = re.compile(r"\(byte (\d+)\)")
_LITERALS: Final = frozenset({b"true", b"false", b"null"})

_walk: Final = msgspec.json.Decoder(msgspec.Raw).decode


def check(payload: bytes) -> None:
    """Raises `InvalidRequestContent` unless `payload` is one JSON value in UTF-8."""
    try:
        _walk(payload)
        if not payload.isascii():
            # The walk does not look into strings; decoding does, at some GB/s.
            payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _explain(payload, error)


def _explain(payload: bytes, error: Exception) -> None:
    """Raise what Jackson would say; or return, when only lone surrogates were in the way."""
    if len(payload) <= SCAN_MAX_BYTES:
        _Scanner(payload).document()
        return
    neutral = _SURROGATE.sub(rb"\\u0041", payload)
    if neutral != payload:
        try:
            _walk(neutral)
            neutral.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as other:
            error = other
        else:
            return
    _Scanner(neutral).at_fault(error)


class _Scanner:
    """Strict JSON, without recursion; raises at the first fault."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._open: list[tuple[bytes, int]] = []
        """Containers around this place: opening bracket and where it stands."""
        self._fresh = False
        """The innermost container has just been opened."""

    def document(self) -> None:
        self._value()
        while self._open:
            if self._fresh:
                self._fresh = False
                self._first_entry()
            else:
                self._after_value()
        self._skip_space()
        if self._at < len(self._data):
            self._primitive_start(b"", self._data[self._at])

    def at_fault(self, error: Exception) -> NoReturn:
        """The same for a large payload, from where the C parser stopped."""
        if isinstance(error, RecursionError):
            self._fail(_TOO_DEEP)
        if isinstance(error, UnicodeDecodeError):
            self._utf8(error.start)
        place = _BYTE.search(str(error))
        if place is None or int(place[1]) >= len(self._data):
            self._at = len(self._data)
            self._fail("Unexpected end-of-input")
        self._at = int(place[1])
        self._primitive_start(b"", self._data[self._at])

    def _after_value(self) -> None:
        """A comma and the next entry, or the end of the container."""
        bracket, start = self._open[-1]
        kind = "Object" if bracket == b"{" else "Array"
        self._skip_space()
        byte = self._peek()
        if byte is None:
            self._end_inside(kind, start)
        self._at += 1
        if byte == (b"}" if bracket == b"{" else b"]"):
            self._open.pop()
        elif byte == b",":
            self._entry()
        elif byte in {b"}", b"]"}:
            self._wrong_close(byte)
        else:
            self._unexpected(byte, f"was expecting comma to separate {kind} entries")

    def _first_entry(self) -> None:
        self._skip_space()
        if self._peek() == (b"}" if self._open[-1][0] == b"{" else b"]"):
            self._at += 1
            self._open.pop()
        else:
            self._entry()

    def _entry(self) -> None:
        self._skip_space()
        bracket, start = self._open[-1]
        if bracket == b"{":
            self._field_name(self._peek(), start)
        self._value()

    def _field_name(self, byte: bytes | None, start: int) -> None:
        if byte is None:
            self._end_inside("Object", start)
        self._at += 1
        if byte != b'"':
            self._unexpected(byte, "was expecting double-quote to start field name")
        self._string(" in field name")
        self._skip_space()
        byte = self._peek()
        if byte is None:
            self._fail("Unexpected end-of-input within/between Object entries")
        self._at += 1
        if byte != b":":
            self._unexpected(byte, "was expecting a colon to separate field name and value")

    def _value(self) -> None:
        self._skip_space()
        byte = self._peek()
        if byte is None:
            if self._open:
                bracket, start = self._open[-1]
                self._end_inside("Object" if bracket == b"{" else "Array", start)
            self._fail("No content to map due to end-of-input")
        if byte == b'"':
            self._at += 1
            self._string(": was expecting closing quote for a string value")
        elif byte in {b"{", b"["}:
            self._open.append((byte, self._at))
            self._at += 1
            if len(self._open) > MAX_DEPTH:
                self._fail(_TOO_DEEP)
            self._fresh = True
        else:
            self._primitive(byte)

    def _primitive(self, byte: bytes) -> None:
        start = self._at
        if byte == b"-" or byte.isdigit():
            found = _NUMBER.match(self._data, start)
            self._at = found.end() if found else start + 1
            self._number_end(start, found is not None)
            return
        word = self._word(start)
        if word not in _LITERALS:
            self._primitive_start(word, byte[0])
        self._at = start + len(word)

    def _number_end(self, start: int, valid: bool) -> None:  # noqa: FBT001  private, one caller
        byte = self._peek()
        text = self._data[start : self._at]
        if valid and (byte is None or byte in b" \t\r\n,]}"):
            return
        if text in {b"0", b"-0"} and byte is not None and byte.isdigit():
            self._at += 1
            self._fail("Invalid numeric value: Leading zeroes not allowed")
        if byte is None:
            self._fail("Unexpected end-of-input within/between number")
        self._at += 1
        if byte == b".":
            following = self._peek()
            self._at += 1
            if following is None:
                self._fail("Unexpected end-of-input within/between number")
            self._unexpected(following, "Decimal point not followed by a digit")
        self._unexpected(byte, "Expected space separating root-level values")

    def _primitive_start(self, word: bytes, byte: int) -> NoReturn:
        """Neither a value nor the end: a word that is none, or a stray character."""
        word = word or self._word(self._at)
        if word and all(part < 0x80 for part in word):
            self._at += len(word)
            shown = word[:256].decode("latin-1") + ("..." if len(word) > 256 else "")
            self._fail(
                f"Unrecognized token '{shown}': was expecting "
                "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            )
        self._at += 1
        if byte in b"}]":
            self._wrong_close(bytes((byte,)))
        if byte < 0x20:
            self._fail(
                f"Illegal character ((CTRL-CHAR, code {byte})): only regular white space "
                "(\\r, \\n, \\t) is allowed between tokens"
            )
        self._unexpected(
            bytes((byte,)),
            "expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
        )

    def _string(self, ending: str) -> None:
        """From after the opening quote to after the closing one."""
        data = self._data
        while True:
            found = _PLAIN.match(data, self._at)
            self._at = found.end() if found else self._at
            byte = self._peek()
            if byte is None:
                self._fail(f"Unexpected end-of-input{ending}")
            self._at += 1
            if byte == b'"':
                return
            if byte == b"\\":
                self._escape()
            elif byte[0] < 0x20:
                self._fail(
                    f"Illegal unquoted character ({_character(byte)}): has to be escaped using "
                    "backslash to be included in string value"
                )
            else:
                self._at = self._utf8(self._at - 1)

    def _escape(self) -> None:
        byte = self._peek()
        if byte is None:
            self._fail("Unexpected end-of-input in character escape sequence")
        self._at += 1
        if byte == b"u":
            if not _HEX4.match(self._data, self._at):
                bad = self._data[self._at : self._at + 4]
                offset = next((i for i, c in enumerate(bad) if not _hex(c)), len(bad))
                self._at += offset + 1
                if offset == len(bad):
                    self._fail("Unexpected end-of-input in character escape sequence")
                self._unexpected(
                    bad[offset : offset + 1],
                    "expected a hex-digit for character escape sequence",
                )
            self._at += 4
        elif byte not in b'"\\/bfnrt':
            self._fail(f"Unrecognized character escape {_character(byte)}")

    def _utf8(self, start: int) -> int:
        """Where the character at `start` ends; raises for a byte that does not belong."""
        data, byte = self._data, self._data[start]
        length = 2 if 0xC2 <= byte < 0xE0 else 3 if 0xE0 <= byte < 0xF0 else 4
        if byte < 0xC2 or byte > 0xF4:
            self._at = start + 1
            self._fail(f"Invalid UTF-8 start byte 0x{byte:x}")
        piece = data[start : start + length]
        try:
            piece.decode()
        except UnicodeDecodeError:
            offset = next((i for i, c in enumerate(piece) if i and c & 0xC0 != 0x80), 1)
            self._at = start + offset + 1
            if offset >= len(piece):
                self._fail("Unexpected end-of-input in a UTF-8 character")
            self._fail(f"Invalid UTF-8 middle byte 0x{piece[offset]:x}")
        return start + length

    def _word(self, start: int) -> bytes:
        found = _WORD.match(self._data, start)
        return found.group() if found else b""

    def _peek(self) -> bytes | None:
        return self._data[self._at : self._at + 1] or None

    def _skip_space(self) -> None:
        found = _SPACE.match(self._data, self._at)
        self._at = found.end() if found else self._at

    def _end_inside(self, kind: str, start: int) -> NoReturn:
        self._fail(
            f"Unexpected end-of-input: expected close marker for {kind} "
            f"(start marker at {self._location(start)})"
        )

    def _wrong_close(self, byte: bytes) -> NoReturn:
        if not self._open:
            self._fail(f"Unexpected close marker '{byte.decode()}': expected ']'")
        bracket, start = self._open[-1]
        expected, kind = ("}", "Object") if bracket == b"{" else ("]", "Array")
        if (byte == b"}") == (bracket == b"{"):
            self._unexpected(byte, "expected a value")
        self._fail(
            f"Unexpected close marker '{byte.decode()}': expected '{expected}' "
            f"(for {kind} starting at {self._location(start)})"
        )

    def _unexpected(self, byte: bytes, why: str) -> NoReturn:
        if byte[0] >= 0x80:
            start = self._at - 1
            byte = self._data[start : self._utf8(start)]
        self._fail(f"Unexpected character ({_character(byte)}): {why}")

    def _location(self, at: int) -> str:
        line_start = self._data.rfind(b"\n", 0, at) + 1
        line = self._data.count(b"\n", 0, at) + 1
        return f"[Source: {_SOURCE}; line: {line}, column: {at - line_start + 1}]"

    def _fail(self, what: str) -> NoReturn:
        raise InvalidRequestContent(
            "Could not parse request body into json: Could not parse payload into json: "
            f"{what}\n at {self._location(self._at)}"
        )


def _hex(byte: int) -> bool:
    return byte in b"0123456789abcdefABCDEF"


def _character(encoded: bytes) -> str:
    """As Jackson shows one."""
    text = encoded.decode()
    code = ord(text)
    return f"(CTRL-CHAR, code {code})" if code < 0x20 else f"'{text}' (code {code})"
