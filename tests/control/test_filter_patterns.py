"""Filter patterns, by the examples of AWS's developer guide."""

from __future__ import annotations

import pytest

from lambent.control.filter_patterns import check, matches
from lambent.errors import InvalidParameterValue

BODY = {"body": '{"kind": "cat", "age": 5, "tags": ["a", "b"], "none": null}', "n": {"x": "Abc"}}


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ({"body": {"kind": ["cat"]}}, True),
        ({"body": {"kind": ["dog"]}}, False),
        ({"body": {"age": [{"numeric": [">", 3, "<=", 5]}]}}, True),
        ({"body": {"age": [{"numeric": ["<", 5]}]}}, False),
        ({"body": {"tags": ["b"]}}, True),
        ({"body": {"none": [None]}}, True),
        ({"body": {"gone": [{"exists": False}]}}, True),
        ({"body": {"gone": ["x"]}}, False),
        ({"body": {"kind": [{"anything-but": ["dog"]}]}}, True),
        ({"body": {"kind": [{"prefix": "c"}, "dog"]}}, True),
        ({"n": {"x": [{"suffix": "bc"}]}}, True),
        ({"n": {"x": [{"equals-ignore-case": "aBC"}]}}, True),
        ({"n": {"x": [{"wildcard": "A*c"}]}}, True),
        ({"$or": [{"n": {"x": ["no"]}}, {"body": {"kind": ["cat"]}}]}, True),
        ({"body": {"age": [True]}}, False),
    ],
)
def test_one_record(pattern, wanted):
    assert matches([pattern], BODY) is wanted


def test_no_filter_wants_everything_and_any_of_several_is_enough():
    assert matches([], BODY)
    assert matches([{"a": ["b"]}, {"body": {"kind": ["cat"]}}], BODY)


def test_a_text_body_is_matched_as_text_alone():
    assert matches([{"body": ["hello"]}], {"body": "hello"})
    assert not matches([{"body": {"kind": ["cat"]}}], {"body": "hello"})


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "x",
        "[]",
        "{}",
        '{"a": 1}',
        '{"a": []}',
        '{"a": [{"numeric": [1]}]}',
        '{"a": [{"b": 1}]}',
    ],
)
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(InvalidParameterValue, match="Invalid filter pattern"):
        check([pattern])
