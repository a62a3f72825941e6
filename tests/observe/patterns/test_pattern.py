import contextlib
import time

from hypothesis import given
from hypothesis import strategies as st

from lambent.observe.patterns.pattern import compile_pattern
from lambent.observe.patterns.scanner import InvalidPattern

syntax = st.text(alphabet="{}[]()$.=<>!&|%*?-,\"'\\ aA19_^+ISNULTREX…", max_size=40)


@given(syntax, st.text(max_size=20))
def test_any_text_is_a_pattern_or_is_refused(pattern, message):
    try:
        matches = compile_pattern(pattern)
    except InvalidPattern:
        return
    assert matches(message) in {True, False}


def test_the_longest_pattern_is_read_at_once():
    started = time.process_time()
    for pattern in ("(" * 1024, "{" + "(" * 1022, "[" + "a," * 511, "%" + "a*" * 511 + "%"):
        with contextlib.suppress(InvalidPattern):
            compile_pattern(pattern)("a" * 1000)
    assert time.process_time() - started < 30
