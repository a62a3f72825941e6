"""JSON as AWS's runtime client reads and writes it, without importing `json`.

Written: as UTF-8 from Python 3.12 on and as ASCII escapes before (AWS changed it with that
runtime), NaN allowed, named tuples as objects, bytes as text, Decimal as its
digits (observed of awslambdaric 4.2). The C encoder of the standard library knows none of the
last three, so `marshal`, which takes exactly the plain types and costs little, tells whether a
value needs the slow walk that prepares them.
"""

import marshal
import os
import sys

try:
    import _json
except ImportError:  # a CPython without its accelerator
    _json = None  # type: ignore[assignment]

WHITESPACE = " \t\n\r"
ASCII_ONLY = sys.version_info < (3, 12)


class _ScannerOptions:
    """What `json.decoder.JSONDecoder` passes to the C scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name):
        raise ValueError(name)


def _default(value):
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if hasattr(value, "_asdict") and callable(value._asdict):
        return value._asdict()
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


_markers: dict = {}
if _json is not None:
    _scan = _json.make_scanner(_ScannerOptions())  # type: ignore[arg-type]  # any such object
    _encode = _json.make_encoder(
        _markers,
        _default,
        _json.encode_basestring_ascii if ASCII_ONLY else _json.encode_basestring,
        None,
        ": ",
        ", ",
        False,
        False,
        True,
    )


def loads(data):
    """The value of JSON text in bytes; raises ValueError with the standard library's message."""
    text = str(data, "utf-8").strip(WHITESPACE)
    if _json is not None:
        try:
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError, SystemError):
            pass  # the standard library below says what is wrong (without it loaded, 3.10 and
            # 3.11 cannot: "returned NULL without setting an exception")
    import json

    def reject(name):
        raise json.JSONDecodeError("Expecting value", text, text.find(name))

    return json.loads(text, parse_constant=reject)


def dumps(value) -> bytes:
    """UTF-8 JSON; raises what the C encoder raises, or UnicodeEncodeError for a lone surrogate."""
    if type(value) is str:
        return _text(value).encode()
    try:
        marshal.dumps(value, 2)
        return _text(value).encode()
    except (ValueError, TypeError) as error:
        if isinstance(error, UnicodeEncodeError):
            raise
        _markers.clear()
    digits = _Digits()
    text = _text(_prepare(value, digits, set()))
    return digits.restore(text).encode()


def _text(value) -> str:
    try:
        if _json is not None:
            return "".join(_encode(value, 0))
    except BaseException:
        _markers.clear()
        raise
    import json

    return json.dumps(value, ensure_ascii=ASCII_ONLY, default=_default)


class _Digits:
    """Stands unguessable strings in for Decimals, and puts their digits back into the text."""

    def __init__(self) -> None:
        self.tag = ""
        self.found: dict = {}

    def stand_in(self, number) -> str:
        self.tag = self.tag or os.urandom(12).hex()
        text = str(number)
        name = "%s%d" % (self.tag, len(self.found))
        self.found[name] = text
        return name

    def restore(self, text: str) -> str:
        if not self.found:
            return text
        import re

        return re.sub('"(%s[0-9]+)"' % self.tag, lambda match: self.found[match.group(1)], text)


def _prepare(value, digits, above):
    """`value` with what only AWS's encoder knows made plain; the rest is left to the C encoder."""
    if isinstance(value, (str, int, float, bytes)) or value is None:
        return value.decode("utf-8") if isinstance(value, bytes) else value
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        return digits.stand_in(value)
    if not isinstance(value, (dict, list, tuple)):
        if not (hasattr(value, "_asdict") and callable(value._asdict)):
            return value
        value = value._asdict()
    if id(value) in above:
        raise ValueError("Circular reference detected")
    above.add(id(value))
    if isinstance(value, tuple) and callable(getattr(value, "_asdict", None)):
        plain = _prepare(value._asdict(), digits, above)  # type: ignore[attr-defined]  # just seen
    elif isinstance(value, dict):
        plain = {
            key.decode("utf-8") if isinstance(key, bytes) else key: _prepare(item, digits, above)
            for key, item in value.items()
        }
    else:
        plain = [_prepare(item, digits, above) for item in value]
    above.discard(id(value))
    return plain
