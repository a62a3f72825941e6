import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.observe.patterns.pattern import compile_pattern
from lambent.observe.patterns.scanner import InvalidPattern

words = st.text(alphabet="abAB_1", min_size=1, max_size=3)
phrases = st.text(alphabet='ab "\\-%[{', min_size=1, max_size=4)
messages = st.text(alphabet='abAB_1 "\\-%[{', max_size=30)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


terms = st.one_of(words.map(lambda w: (w, w)), phrases.map(lambda p: (quoted(p), p)))


@given(st.lists(terms, max_size=3), st.lists(terms, max_size=3), st.lists(messages, max_size=5))
def test_terms_are_needed_or_excluded(needed, excluded, some):
    pattern = " ".join([*(code for code, _ in needed), *("-" + code for code, _ in excluded)])
    matches = compile_pattern(pattern)
    for message in some:
        expected = all(text in message for _, text in needed) and not any(
            text in message for _, text in excluded
        )
        assert matches(message) == expected, pattern


@given(st.lists(terms, min_size=1, max_size=4), st.lists(messages, max_size=5))
def test_alternatives(choices, some):
    matches = compile_pattern(" ".join("?" + code for code, _ in choices))
    for message in some:
        assert matches(message) == any(text in message for _, text in choices)


# The user guide's examples.
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("ERROR", "110"), ("?ERROR ?WARN", "111"), ("ERROR WARN", "100"), ("ERROR -WARN", "010")],
)
def test_the_guides_examples(pattern, expected):
    matches = compile_pattern(pattern)
    messages = ["ERROR WARN message", "ERROR message", "WARN message"]
    assert "".join(str(int(matches(m))) for m in messages) == expected


def test_a_term_is_any_part_and_keeps_its_case():
    matches = compile_pattern("ERROR")
    assert matches("Exiting with ERRORCODE: -1")
    assert not matches("error")


def test_alternatives_beside_other_terms_are_ignored():
    matches = compile_pattern("?ERROR REQUEST")
    assert matches("[INFO] REQUEST FAILED")
    assert not matches("ERROR alone")


def test_a_regular_expression_stands_among_terms():
    matches = compile_pattern(r"GET -%[45]\d\d$%")
    assert matches("GET / 200")
    assert not matches("GET / 404")


@pytest.mark.parametrize("pattern", ["", "   "])
def test_nothing_matches_everything(pattern):
    assert compile_pattern(pattern)("anything")
    assert compile_pattern(pattern)("")


@pytest.mark.parametrize("pattern", ['"open', '"a"b', "-", "?", "%a", "%a%b", 'a "b'])
def test_broken_patterns(pattern):
    with pytest.raises(InvalidPattern, match="Invalid filter pattern"):
        compile_pattern(pattern)


def test_a_term_that_needed_quotes_is_named():
    with pytest.raises(InvalidPattern, match=r"Invalid character\(s\) in term 'time-out'"):
        compile_pattern("time-out")
