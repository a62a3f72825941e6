"""Names, ARNs and qualifiers, in every form that AWS accepts."""

from __future__ import annotations

import pytest

from lambent.control.names import (
    FunctionRef,
    Scope,
    latest_only,
    resolve,
    unqualified,
    version_number,
)
from lambent.errors import AccessDenied, InvalidParameterValue, ResourceNotFound

SCOPE = Scope("123456789012", "us-east-1")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("fn", ("fn", None)),
        ("fn:1", ("fn", "1")),
        ("fn:live", ("fn", "live")),
        ("fn:$LATEST", ("fn", "$LATEST")),
        ("function:fn", ("fn", None)),
        ("123456789012:function:fn", ("fn", None)),
        ("123456789012:function:fn:7", ("fn", "7")),
        ("123456789012:fn", ("fn", None)),
        ("us-east-1:123456789012:function:fn", ("fn", None)),
        (ARN, ("fn", None)),
        (ARN + ":live", ("fn", "live")),
        (ARN + ":$LATEST", ("fn", "$LATEST")),
        (ARN + ":$LATEST.PUBLISHED", ("fn", "$LATEST.PUBLISHED")),
        # An incomplete ARN is a function called "function".
        ("arn:aws:lambda:us-east-1:123456789012:function", ("function", None)),
        ("123456789012:function", ("function", None)),
        ("function", ("function", None)),
        ("function:function:function", ("function", "function")),
    ],
)
def test_forms(given, expected):
    assert resolve(SCOPE, given, operation="GetFunction") == FunctionRef(*expected)


def test_qualifiers_from_two_places_must_agree():
    assert resolve(SCOPE, "fn", "1", operation="X").qualifier == "1"
    assert resolve(SCOPE, "fn:1", "1", operation="X").qualifier == "1"
    with pytest.raises(InvalidParameterValue) as raised:
        resolve(SCOPE, ARN + ":1", "2", operation="X")
    assert raised.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def test_another_region():
    with pytest.raises(ResourceNotFound) as raised:
        resolve(SCOPE, ARN.replace("us-east-1", "eu-west-1"), operation="GetFunction")
    assert raised.value.message == (
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    )


def test_another_account():
    foreign = ARN.replace("123456789012", "111122223333")
    with pytest.raises(AccessDenied) as raised:
        resolve(SCOPE, foreign, operation="CreateFunction")
    assert raised.value.message is None
    with pytest.raises(AccessDenied) as raised:
        resolve(SCOPE, foreign, operation="GetFunction")
    assert raised.value.message == (
        "User: arn:aws:iam::123456789012:root is not authorized to perform: lambda:GetFunction on "
        f"resource: {foreign} because no resource-based policy allows the lambda:GetFunction action"
    )


def test_operations_on_whole_functions():
    assert unqualified(SCOPE, ARN, operation="X") == "fn"
    for qualified in ("fn:1", "fn:live", ARN + ":$LATEST"):
        with pytest.raises(InvalidParameterValue) as raised:
            unqualified(SCOPE, qualified, operation="X")
        assert raised.value.message == (
            "This operation is permitted on Lambda functions only. Aliases and versions do not "
            "support this operation. Please specify either a function name or an unqualified "
            "function ARN."
        )
    assert latest_only(SCOPE, "fn:$LATEST", operation="X") == "fn"
    with pytest.raises(InvalidParameterValue):
        latest_only(SCOPE, "fn:1", operation="X")


@pytest.mark.parametrize(
    ("qualifier", "number"),
    [(None, 0), ("$LATEST", 0), ("1", 1), ("42", 42)]
    + [(q, None) for q in ("0", "007", "live", "$latest", "-1", "²", "9" * 40)],
)
def test_numbers(qualifier, number):
    assert version_number(qualifier) == number


@pytest.mark.parametrize(
    ("region", "start"),
    [
        ("eu-central-1", "arn:aws:"),
        ("cn-north-1", "arn:aws-cn:"),
        ("us-gov-west-1", "arn:aws-us-gov:"),
        ("eusc-de-east-1", "arn:aws-eusc:"),
    ],
)
def test_partitions(region, start):
    assert Scope("123456789012", region).arn("f").startswith(start + f"lambda:{region}:")
