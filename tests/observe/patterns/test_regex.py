import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.observe.patterns.regex import Regex
from lambent.observe.patterns.scanner import InvalidPattern

atoms = st.sampled_from(
    ["a", "b", "7", "_", "-", ".", r"\d", r"\w", r"\s", r"\.", r"\x61", "[ab]", "[^a]", "[a-c7]", "[a-]", r"[\d_]"]
)  # fmt: skip
quantifiers = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "{2,3}"])
sequences = st.lists(st.tuples(atoms, quantifiers).map("".join), max_size=5).map("".join)
anchored = st.builds(
    lambda begin, body, end: ("^" if begin else "") + body + ("$" if end else ""),
    st.booleans(), sequences, st.booleans(),
)  # fmt: skip
expressions = st.lists(anchored, min_size=1, max_size=3).map("|".join)
texts = st.text(alphabet="aabbc7_-. \n", max_size=12)


@given(expressions, st.lists(texts, max_size=5))
def test_it_agrees_with_python(expression, some):
    oracle = re.compile(expression.replace("$", r"\Z"), re.ASCII)
    regex = Regex(expression)
    for text in some:
        assert regex.search(text) == bool(oracle.search(text)), (expression, text)


@pytest.mark.parametrize(
    "expression",
    ["(a)", "a!", "é", "[", "[a", "[]", "a{", "a{2", "a{3,2}", "a**", "*a", r"\q", "\\", r"\x6", "]", "[b-a]", "a{99999}"],
)  # fmt: skip
def test_what_aws_refuses_is_refused(expression):
    with pytest.raises(InvalidPattern):
        Regex(expression)


def test_a_pattern_that_would_backtrack_takes_linear_time():
    regex = Regex("a*a*a*a*a*a*a*a*b")
    started = time.process_time()
    assert not regex.search("a" * 50_000)
    # Backtracking would take 50,000⁸ steps.
    assert time.process_time() - started < 60


def test_what_it_remembers_is_bounded():
    regex = Regex(".x")
    assert not regex.search("".join(map(chr, range(0x100, 0xD000))))
    assert regex._cached <= 20_000
    assert regex.search("ax")


def test_a_pattern_cannot_be_made_huge_by_counts():
    with pytest.raises(InvalidPattern):
        Regex("[a-z]{1000}[a-z]{1000}[a-z]{1000}")
