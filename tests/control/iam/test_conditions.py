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
        ("StringNotEqualsIgnoreCase", "AbC", "x", True),
        ("StringNotLike", "a*", "ab", False),
        ("StringLikeIfExists", "a*", None, True),
        ("StringNotEqualsIfExists", "a", None, True),
        ("NumericEquals", "10", "10.0", True),
        ("NumericEquals", "10", None, False),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericLessThanEquals", "10", "10.01", False),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericGreaterThan", "10", "11", True),
        ("NumericNotEquals", "1", None, True),
        ("DateEquals", "2026-11-21T00:00:00Z", "2026-11-21T01:00:00+01:00", True),
        ("DateLessThanEquals", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", True),
        ("DateGreaterThanEquals", "2026-11-21T00:00:00Z", "2026-11-20", False),
        ("DateLessThan", "whenever", "2026-11-20", False),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.9", False),
        ("NotIpAddress", "203.0.113.0/24", None, True),
        ("IpAddress", "no network", "203.0.113.9", False),
        ("ArnNotEquals", "arn:aws:s3:::*", "arn:aws:s3:::bucket", False),
        ("ArnEqualsIfExists", "arn:aws:s3:::*", None, True),
        ("BinaryEquals", "QQ==", "QUE=", False),
        ("Null", ["true", "false"], None, True),
        ("Null", "false", [], False),
        ("ForAllValues:StringLike", ["a*"], ["ab", "ac"], True),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "b"], True),
        ("ForAnyValue:ArnLike", ["arn:aws:s3:::b*"], ["arn:aws:s3:::x", "arn:aws:s3:::b"], True),
        ("ForAllValues:NumericLessThan", ["10"], ["9", "10"], False),
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


def test_every_operator_of_iam_is_in_the_table():
    (mark,) = [m for m in test_operators.pytestmark if m.name == "parametrize"]
    tried = {row[0].rpartition(":")[2].removesuffix("IfExists") for row in mark.args[1]}
    assert tried == {
        "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "BinaryEquals", "Bool", "DateEquals",
        "DateGreaterThan", "DateGreaterThanEquals", "DateLessThan", "DateLessThanEquals",
        "DateNotEquals", "IpAddress", "NotIpAddress", "Null", "NumericEquals", "NumericGreaterThan",
        "NumericGreaterThanEquals", "NumericLessThan", "NumericLessThanEquals",
        "NumericNotEquals", "StringEquals", "StringEqualsIgnoreCase", "StringLike",
        "StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike",
    }  # fmt: skip


@pytest.mark.parametrize("operator", ["stringequals", "StringIs", "NullIfExists", "Some:Bool", ""])
def test_what_is_no_operator(operator):
    with pytest.raises(conditions.UnknownOperator):
        conditions.read(operator, "k", ["v"])


def test_keys_know_no_case_and_variables_are_filled_in():
    found = conditions.read("StringLike", "AWS:SourceArn", ["${aws:username}-*"])
    assert found.holds({"aws:sourcearn": ["ann-1"], "aws:username": ["ann"]})
    assert not found.holds({"aws:sourcearn": ["bob-1"], "aws:username": ["*"]})
    assert not found.holds({"aws:sourcearn": ["ann-1"]})
