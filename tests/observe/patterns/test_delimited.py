import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.observe.patterns.delimited import split
from lambent.observe.patterns.pattern import compile_pattern
from lambent.observe.patterns.scanner import InvalidPattern

LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

words = st.text(alphabet="abc12.-", min_size=1, max_size=5)
inner = st.text(alphabet="ab 1", max_size=6)
fields = st.one_of(
    words.map(lambda w: (w, w)),
    inner.map(lambda t: (f"[{t}]", t)),
    inner.map(lambda t: (f'"{t}"', t)),
)


@given(st.lists(fields, max_size=6))
def test_fields_are_words_brackets_and_quotes(some):
    assert split(" ".join(code for code, _ in some)) == [text for _, text in some]


@given(st.lists(fields, min_size=1, max_size=6), st.integers(0, 5), st.integers(0, 5))
def test_the_ellipsis_stands_for_any_number(some, before, after):
    event = " ".join(code for code, _ in some)
    pattern = [f"f{i}" for i in range(before)] + ["..."] + [f"l{i}" for i in range(after)]
    assert compile_pattern(f"[{', '.join(pattern)}]")(event) == (len(some) >= before + after)


@given(st.lists(words, min_size=1, max_size=5), st.data())
def test_conditions_look_at_their_own_field(some, data):
    place = data.draw(st.integers(0, len(some) - 1))
    wanted = data.draw(words)
    names = [f"n{i}" for i in range(len(some))]
    names[place] += f' = "{wanted}"'
    assert compile_pattern(f"[{', '.join(names)}]")(" ".join(some)) == (some[place] == wanted)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username]", False),
        ("[..., status_code, bytes]", True),
        ("[ip, user, ..., status_code, bytes > 1000]", True),
        ("[ip, user, ...]", True),
        ("[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]", True),
        ("[..., request = *.html*, status_code = 4*,]", True),
        ("[..., status_code = 4* && status_code != 404, bytes]", False),
        ("[..., status_code = 200 || status_code = 404, bytes]", True),
        ("[w1=!ERROR&&w1=!WARN, ...]", True),
        ("[ip = %^127%, ...]", True),
        ("[..., bytes = 1534.0]", True),
        ("[..., (size > 1000 && size < 2000)]", True),
        ("[..., status >= abc]", None),
        ("[a, a]", None),
        ("[a, ..., b, ...]", None),
        ("[]", None),
        ("[a", None),
        ("[a = ]", None),
        ("[a, b = 1 && c = 2]", None),
        ("[a] b", None),
    ],
)
def test_the_guides_examples(pattern, expected):
    if expected is None:
        with pytest.raises(InvalidPattern, match="Invalid filter pattern"):
            compile_pattern(pattern)
    else:
        assert compile_pattern(pattern)(LINE) is expected


def test_an_unclosed_quote_is_text():
    assert split('say "hello there') == ["say", '"hello', "there"]
