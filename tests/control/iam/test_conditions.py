"""Every condition operator, with AWS's documented outcomes."""

import pytest

from lambent.control.iam import conditions


def holds(operator, values, found, key="k"):
    context = {} if found is None else {"k": [found] if isinstance(found, str) else found}
    wanted = [values] if isinstance(values, str) else values
    return conditions.read(operator, key, wanted).holds(context)


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringEqualsIgnoreCase", "AbC", "aBc", True),
        ("StringNotEqualsIgnoreCase", "AbC", "aBc", False),
        ("StringLike", "a*c?", "abbbcd", True),
        ("StringNotLike", "a*", "b", True),
        ("NumericLessThan", "10", "9.5", True),
        ("NumericLessThan", "10", "many", False),
        ("NumericGreaterThanEquals", "10", "10", True),
        ("NumericNotEquals", "1", "2", True),
        ("DateLessThan", "2026-11-21T00:00:00Z", "2026-11-20T23:59:59Z", True),
        ("DateGreaterThan", "2026-11-21T00:00:00Z", "1795219201", True),
        ("DateNotEquals", "2026-11-21", "2026-11-21T00:00:00Z", False),
        ("Bool", "true", "True", True),
        ("Bool", "true", "false", False),
        ("BoolIfExists", "true", None, True),
        ("BinaryEquals", "QQ==", "QQ==", True),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
        ("IpAddress", "203.0.113.0/24", "203.0.114.9", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("NotIpAddress", "203.0.113.0/24", "203.0.114.9", True),
        ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", True),
        ("ArnEquals", "arn:aws:s3:::*", "arn:aws:s3:::bucket", True),
        ("ArnLike", "arn:aws:*", "arn:aws:s3:::bucket", True),
        ("ArnLike", "arn:*:bucket", "arn:aws:s3:::bucket", False),
        ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::other", True),
        ("Null", "true", None, True),
        ("Null", "false", "x", True),
        ("Null", "true", "x", False),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
        ("ForAnyValue:StringEquals", ["a"], ["c"], False),
        ("ForAnyValue:StringEquals", ["a"], None, False),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b", "a"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", ["a"], None, True),
        ("ForAllValues:StringNotEquals", ["a"], ["b", "c"], True),
    ],
)
def test_operators(operator, wanted, found, expected):
    assert holds(operator, wanted, found) is expected


@pytest.mark.parametrize("operator", ["stringequals", "StringIs", "NullIfExists", "Some:Bool", ""])
def test_what_is_no_operator(operator):
    with pytest.raises(conditions.UnknownOperator):
        conditions.read(operator, "k", ["v"])


def test_keys_know_no_case_and_variables_are_filled_in():
    found = conditions.read("StringLike", "AWS:SourceArn", ["${aws:username}-*"])
    assert found.holds({"aws:sourcearn": ["ann-1"], "aws:username": ["ann"]})
    assert not found.holds({"aws:sourcearn": ["bob-1"], "aws:username": ["*"]})
    assert not found.holds({"aws:sourcearn": ["ann-1"]})
