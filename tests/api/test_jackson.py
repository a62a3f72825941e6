import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.api import jackson
from lambent.errors import InvalidRequestContent

START = "Could not parse request body into json: Could not parse payload into json: "
SOURCE = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
TOKENS = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


def said(payload):
    with pytest.raises(InvalidRequestContent) as caught:
        jackson.check(payload)
    assert caught.value.message.startswith(START)
    return caught.value.message.removeprefix(START)


@pytest.mark.parametrize(
    ("payload", "what", "line", "column"),
    [
        (b'"\x87"', "Invalid UTF-8 start byte 0x87", 1, 3),
        (b"foo", f"Unrecognized token 'foo': was expecting {TOKENS}", 1, 4),
        (b"NaN", f"Unrecognized token 'NaN': was expecting {TOKENS}", 1, 4),
        (b'{"a":\n x}', f"Unrecognized token 'x': was expecting {TOKENS}", 2, 3),
        (
            b"{'a':1}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            1,
            3,
        ),
        (
            b'{"a" 1}',
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
            1,
            7,
        ),
        (
            b'{"a":1 "b"}',
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
            1,
            9,
        ),
        (
            b"[1 2]",
            "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries",
            1,
            5,
        ),
        (
            b'{"a":1',
            f"Unexpected end-of-input: expected close marker for Object (start marker at [Source: {SOURCE}; line: 1, column: 1])",
            1,
            7,
        ),
        (b'"abc', "Unexpected end-of-input: was expecting closing quote for a string value", 1, 5),
        (
            b'"\n"',
            "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value",
            2,
            1,
        ),
        (b'"\\x"', "Unrecognized character escape 'x' (code 120)", 1, 4),
        (b"01", "Invalid numeric value: Leading zeroes not allowed", 1, 3),
        (
            b"[}",
            f"Unexpected close marker '}}': expected ']' (for Array starting at [Source: {SOURCE}; line: 1, column: 1])",
            1,
            3,
        ),
        (b'"\xe2\x28\xa1"', "Invalid UTF-8 middle byte 0x28", 1, 4),
    ],
)
def test_faults_are_worded_as_jackson_words_them(payload, what, line, column):
    assert said(payload) == f"{what}\n at [Source: {SOURCE}; line: {line}, column: {column}]"


@pytest.mark.parametrize(
    "payload",
    [
        b"{} x", b"{}{}", b"[1,]", b'{"a":1,}', b"+1", b"1.", b".5", b"1e", b"-", b"  ", b"\x00", b"Infinity",
        b"[NaN]", b"-Infinity", b"\xef\xbb\xbf{}", b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf5\x80\x80\x80"',
        b"\xc2\xa01", b"'a'", b"{a:1}", b"//x\n1", b'"\\u12"', b'"\\', b"]", b"{]", b"\xff", b'{"\xff":1}',
        b"tru", b"truefalse", b"[" * 100_000, b'{"a":' * 100_000, b"nul\x00", b"1 2",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(payload):
    said(payload)


@pytest.mark.parametrize(
    "payload",
    [b"null", b" \r\n\t1 ", b"1e999999", b"-0.0E+1", b"9" * 5000, b'"\\ud800"', b'"\\udc00x"', b'"\\ud83d\\ude00"',
     b'{"a":1,"a":2}', b'"\x7f"', '"größe 名前 😀"'.encode(), b"[" * 500 + b"]" * 500, b'"\\u0000"'],
)  # fmt: skip
def test_what_is_json_passes(payload):
    jackson.check(payload)


def test_a_large_payload_is_described_without_being_read_in_python():
    numbers = b"[" + b"1," * 200_000
    assert said(numbers + b"x]").startswith("Unrecognized token 'x'")
    assert said(numbers + b"1").startswith("Unexpected end-of-input")
    assert said(b'"' + b"a" * 200_000 + b'\x87"').startswith("Invalid UTF-8 start byte 0x87")
    assert said(b"[" * 200_000).startswith("Document nesting depth (1001) exceeds")


def test_a_large_payload_may_hold_lone_surrogates():
    filler = b"a" * 200_000
    jackson.check(b'["\\ud800","' + filler + b'"]')
    assert said(b'["\\ud800","' + filler + b'"').startswith("Unexpected end-of-input")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_what_python_writes_passes_both_ways(value, ascii_only, indent):
    payload = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    jackson.check(payload)
    jackson._Scanner(payload).document()


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=12) | st.text('[]{}",:0123.eE+-tfnul \\\n', max_size=14).map(str.encode),
    st.data(),
)
def test_the_scanner_and_the_standard_library_agree(payload, data):
    try:
        text = payload.decode()
        json.loads(text, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
        good = not text.startswith("\ufeff")
    except ValueError:
        good = False
    if good:
        jackson.check(payload)
        jackson._Scanner(payload).document()
    elif payload:
        message = said(payload)
        assert re.search(r"line: \d+, column: \d+]$", message)


@settings(max_examples=150, deadline=None)
@given(JSON.map(json.dumps).map(str.encode), st.data())
def test_a_large_payload_broken_anywhere_is_refused_or_still_json(payload, data):
    payload = b'["' + b"x" * jackson.SCAN_MAX_BYTES + b'",' + payload + b"]"
    place = data.draw(st.integers(jackson.SCAN_MAX_BYTES, len(payload) - 1))
    cut = data.draw(st.booleans())
    byte = data.draw(st.binary(min_size=1, max_size=1))
    broken = payload[:place] if cut else payload[:place] + byte + payload[place + 1 :]
    try:
        json.loads(broken.decode(), parse_constant=int)
    except ValueError:
        assert re.search(r"line: \d+, column: \d+]$", said(broken))
    else:
        jackson.check(broken)
