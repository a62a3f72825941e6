import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.observe.patterns.pattern import compile_pattern
from lambent.observe.patterns.scanner import InvalidPattern

EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "coordinates": [[0, 1, 2], [4, 5, 6]],
        "latency": 55.5,
        "status": 404,
        "text": "404",
        "a b": {"c.d": "x"},
    }
)

names = st.sampled_from(["a", "b", "c-d", "e_1"])
scalars = st.one_of(
    st.integers(-20, 20), st.sampled_from(["x", "xy", "", "5"]), st.booleans(), st.none()
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
events = st.dictionaries(names, documents, max_size=4)
paths = st.lists(st.one_of(names, st.integers(0, 2)), min_size=1, max_size=3)

MISSING = object()


def follow(document, path):
    for step in path:
        if isinstance(step, str):
            if not isinstance(document, dict) or step not in document:
                return MISSING
        elif not isinstance(document, list) or step >= len(document):
            return MISSING
        document = document[step]
    return document


def text_of(value):
    return json.dumps(value) if not isinstance(value, str) else value


def number_of(value):
    if isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else None
    return None if isinstance(value, bool) else value


def leaf(path, kind, operand):
    """A condition as text, and what it means."""
    selector = "$" + "".join(f".{s}" if isinstance(s, str) else f"[{s}]" for s in path)
    if kind == "exists":
        return f"{selector} EXISTS", lambda e: follow(e, path) is not MISSING
    if kind == "not exists":
        return f"{selector} NOT EXISTS", lambda e: follow(e, path) is MISSING
    if kind in {"NULL", "TRUE", "FALSE"}:
        wanted = {"NULL": None, "TRUE": True, "FALSE": False}[kind]
        return f"{selector} IS {kind}", lambda e: follow(e, path) is wanted
    if kind in {"=", "!="}:
        code = json.dumps(operand) if isinstance(operand, str) else str(operand)

        def equal(e):
            value = follow(e, path)
            if value is MISSING or value is None or isinstance(value, dict | list):
                return False
            same = text_of(value) == str(operand)
            if isinstance(operand, int):
                same = same or number_of(value) == operand
            return same if kind == "=" else not same

        return f"{selector} {kind} {code}", equal
    number = operand if isinstance(operand, int) else 3

    def ordered(e):
        value = follow(e, path)
        if value is MISSING or isinstance(value, dict | list):
            return False
        value = number_of(value)
        return value is not None and eval(f"value {kind} number", {}, {"value": value, "number": number})  # fmt: skip

    return f"{selector}{kind}{number}", ordered


leaves = st.builds(
    leaf,
    paths,
    st.sampled_from(["exists", "not exists", "NULL", "TRUE", "FALSE", "=", "!=", "<", "<=", ">", ">="]),
    st.one_of(st.integers(-20, 20), st.sampled_from(["x", "xy", "5"])),
)  # fmt: skip


def join(operator, left, right):
    both = {"&&": lambda a, b: a and b, "||": lambda a, b: a or b}[operator]
    return f"({left[0]}) {operator} ({right[0]})", lambda e: both(left[1](e), right[1](e))


conditions = st.recursive(
    leaves, lambda inner: st.builds(join, st.sampled_from(["&&", "||"]), inner, inner), max_leaves=5
)


@given(conditions, st.lists(events, max_size=4))
def test_patterns_mean_what_they_say(condition, some):
    code, meaning = condition
    matches = compile_pattern("{ " + code + " }")
    for event in some:
        assert matches(json.dumps(event)) == meaning(event), (code, event)


@given(leaves, leaves, leaves, events)
def test_and_binds_closer_than_or(a, b, c, event):
    matches = compile_pattern(f"{{{a[0]} || {b[0]} && {c[0]}}}")
    assert matches(json.dumps(event)) == (a[1](event) or (b[1](event) and c[1](event)))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = Update* }", True),
        ("{ $.eventType = *Trail }", True),
        ('{ $.eventType = "*date*" }', True),
        ("{ $.eventType = Up*il }", False),
        ("{ $.eventType = * }", True),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[*].id = 2 }", True),
        ("{ $.objectList[*].id = 3 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.coordinates[1][1] >= 5.0e0 }", True),
        ("{ $.latency > +10e-3 }", True),
        ("{ $.status = 4* }", True),
        ("{ $.text = 404 }", True),
        ("{ $.text >= 400 }", True),
        # A selector must lead to a value.
        ("{ $.user = 1 }", False),
        ("{ $.user != 1 }", False),
        ("{ $.missing != 1 }", False),
        (r"{ $.user.email = %^John\.[A-Z]% }", True),
        ("{ $['a b']['c.d'] = x }", True),
        ("{$.status=404&&($.latency<10||$.ThisFlag IS TRUE)}", True),
    ],
)
def test_the_guides_examples(pattern, expected):
    assert compile_pattern(pattern)(EVENT) is expected


@pytest.mark.parametrize(
    "message", ["", "plain", "{broken", "[1, 2", "12", '"text"', "[" * 100_000]
)
def test_what_is_no_json_matches_nothing(message):
    assert not compile_pattern("{ $.a NOT EXISTS }")(message)


@pytest.mark.parametrize(
    "pattern",
    [
        "{", "{}", "{ $.a }", "{ $.a = }", "{ a = 1 }", "{ $ = 1 }", "{ $.a = 1 } x", "{ $.a > x }",
        "{ $.a = 1 && }", "{ ($.a = 1 }", "{ $.a[x] = 1 }", '{ $.a = "x }', "{ $.a IS MAYBE }",
        "{ $.a ISNULL }", "{ $.a = %x% && $.b = %y% && $.c = %z% }", "{ $.a = %(x)% }",
        "{ " + "(" * 100_000 + "$.a = 1",
    ],
)  # fmt: skip
def test_broken_patterns(pattern):
    with pytest.raises(InvalidPattern, match="Invalid filter pattern"):
        compile_pattern(pattern)
