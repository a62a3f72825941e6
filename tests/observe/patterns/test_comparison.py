import pytest

from lambent.observe.patterns.comparison import number, read_comparison
from lambent.observe.patterns.scanner import InvalidPattern, Scanner


@pytest.mark.parametrize(
    ("text", "found"),
    [("1", 1.0), ("-1.5", -1.5), ("+2e3", 2000.0), ("10e-3", 0.01), (".5", 0.5), ("", None), ("1_0", None), ("inf", None), ("٣", None), ("0x1", None)],
)  # fmt: skip
def test_numbers_are_what_the_guide_says(text, found):
    assert number(text) == found


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        ("= a*", "abc", True),
        ("= *c", "abc", True),
        ("= *b*", "abc", True),
        ("= **", "abc", True),
        ("= a*c", "abc", False),
        ("= a*c", "a*c", True),
        ('= "a \\"b\\""', 'a "b"', True),
        ("= true", True, True),
        ("= 1", True, False),
        ("> 0", True, False),
        ("= 5", 5.0, True),
        ("!= 5", 5, False),
        ("= 1e3", "1000", True),
        (">= 5", "x", False),
    ],
)
def test_comparisons(code, value, expected):
    assert read_comparison(Scanner(code))(value) is expected


@pytest.mark.parametrize("code", ["", "a", "== 1", "< a", "=", "=> 1"])
def test_what_is_none(code):
    with pytest.raises(InvalidPattern):
        read_comparison(Scanner(code))
