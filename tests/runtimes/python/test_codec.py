"""What handlers return, byte for byte as AWS's runtime client writes it (observed of 4.2)."""

from __future__ import annotations

import pytest

from lambent.runtimes import frames

WRITTEN = [
    ("None", "null"),
    ("True", "true"),
    ("{'a': 1, 'b': [1, 2]}", '{"a": 1, "b": [1, 2]}'),
    ("(1, (2,))", "[1, [2]]"),
    ("'é\\u2028</script>\\U0001f600'", '"é\u2028</script>\U0001f600"'),
    ("[float('nan'), float('inf'), -float('inf')]", "[NaN, Infinity, -Infinity]"),
    ("[1e22, 1e-7, 100.0, 0.1 + 0.2, 2**70]",
     "[1e+22, 1e-07, 100.0, 0.30000000000000004, 1180591620717411303424]"),
    ("{1: 2, None: 3, 1.5: 2}", '{"1": 2, "null": 3, "1.5": 2}'),
    ("{'a': b'x', 'l': [b'\\xc3\\xa9']}", '{"a": "x", "l": ["é"]}'),
    ("{b'k': 1}", '{"k": 1}'),
    ("b'{\"raw\":1}'", '{"raw":1}'),
    ("__import__('collections').namedtuple('P', 'x y')(1, 2)", '{"x": 1, "y": 2}'),
    ("[__import__('collections').namedtuple('P', 'x y')(1, (2,))]", '[{"x": 1, "y": [2]}]'),
    ("{'d': __import__('decimal').Decimal('1.10')}", '{"d": 1.10}'),
    ("[__import__('decimal').Decimal(x) for x in ('3', '1E+3', 'NaN')]", "[3, 1E+3, NaN]"),
    ("__import__('decimal').Decimal('12345678901234567890.123456789')",
     "12345678901234567890.123456789"),
    ("__import__('enum').IntEnum('E', 'A B').A", "1"),
    ("__import__('enum').Enum('S', {'A': 'aa'}, type=str).A", '"aa"'),
    ("__import__('collections').OrderedDict(b=1)", '{"b": 1}'),
    ("[type('X', (), {'_asdict': lambda self: {'q': 1}})()]", '[{"q": 1}]'),
    ("type('T', (str,), {})('tt')", '"tt"'),
]  # fmt: skip


@pytest.mark.parametrize(("do", "written"), WRITTEN)
def test_written(evaluator, runtime, do, written):
    if escapes(runtime):
        units = (written[i : i + 1].encode("utf-16-be") for i in range(len(written)))
        written = "".join(
            u.decode("utf-16-be")
            if u < b"\0\x80"
            else "".join(f"\\u{u[i : i + 2].hex()}" for i in range(0, len(u), 2))
            for u in units
        )
    assert evaluator.call({"do": do}) == (frames.RESPONSE, written.encode())


def escapes(runtime):
    """AWS's runtimes before python3.12 answer in ASCII."""
    return int(runtime.rpartition(".")[2]) < 12


def test_text_that_looks_like_a_stand_in_stays_text(evaluator):
    do = "[__import__('decimal').Decimal('1.5'), '1.5', '0' * 25]"
    body = evaluator.call({"do": do})[1]
    assert body == b'[1.5, "1.5", "' + b"0" * 25 + b'"]'


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' \r\n\t{"do": "event"} \n', {"do": "event"}),
        (b'{"do": "event", "n": 12345678901234567890}', {"do": "event", "n": 12345678901234567890}),
        (b'{"do": "event", "x": [1.5, -2e3, true, null]}',
         {"do": "event", "x": [1.5, -2000.0, True, None]}),
        (b'{"do": "event", "u": "\\u00e9\xc3\xa9\\ud83d\\ude00"}',
         {"do": "event", "u": "éé\U0001f600"}),
    ],
)  # fmt: skip
def test_read(evaluator, raw, value):
    assert evaluator.invoke(raw=raw) == value


def test_no_payload_is_an_empty_event(start):
    process = start("def handler(event, context):\n    return event\n").ready()
    assert process.invoke(raw=b"") == {}


def test_a_failed_encoding_leaves_no_trace(evaluator):
    """The circular-reference markers are shared between calls."""
    evaluator.fail({"run": "sys.kept = result = {'a': [Plain()]}"})
    assert evaluator.invoke({"run": "sys.kept['a'] = [1]", "do": "sys.kept"}) == {"a": [1]}
