"""Where AWS's validation differs from botocore's model: lengths, printed patterns, enum orders.

Data only, from LAMBDA.md items 7, 8, 22, 68 and 70; `validate` reads it. Patterns and enum sets
that AWS prints as the model has them are not repeated here, unless AWS's text is known exactly
and must stay the same whatever botocore is installed.
"""

from __future__ import annotations

from typing import Final

_PREFIX: Final = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
    r"(\d{12}:)?(function:)?"
)

PRINTED_PATTERNS: Final[dict[str, str]] = {
    "FunctionName": _PREFIX + r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?",
    "NamespacedFunctionName": (
        _PREFIX + r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
    ),
    "NumericLatestPublishedOrAliasQualifier": r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+",
    "RoleArn": r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
    "Alias": r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)",
}
"""By shape."""

MAX_LENGTHS: Final[dict[str, int]] = {"NamespacedFunctionName": 170}
"""By shape, where AWS allows less than the model."""

OPERATION_MAX_LENGTHS: Final[dict[tuple[str, str], int]] = {
    ("DeleteFunction", "FunctionName"): 140,
}
"""By operation and member."""

PLAIN_NAME_MAX: Final = 64
"""Of the name itself, on create; answered with InvalidParameterValueException."""

PRINTED_ENUMS: Final[dict[str, tuple[str, ...]]] = {
    "RecursiveLoop": ("Terminate", "Allow"),
    "SnapStartApplyOn": ("PublishedVersions", "None"),
    "Runtime": (
        "nodejs20.x",
        "python3.14",
        "provided.al2023",
        "python3.12",
        "python3.13",
        "nodejs24.x",
        "nodejs22.x",
        "java25",
        "python3.10",
        "python3.11",
        "java21",
        "ruby3.3",
        "ruby3.4",
        "ruby3.2",
        "python3.8",
        "python3.9",
        "java17",
        "nodejs16.x",
        "dotnet10",
        "dotnet8",
        "java11",
        "dotnet6",
        "nodejs18.x",
        "provided.al2",
        "java8.al2",
    ),
}
"""By shape: the set in AWS's order. What the model knows beyond it is accepted all the same."""

RUNTIME_MEMBERS: Final = frozenset(
    {("CreateFunction", "Runtime"), ("UpdateFunctionConfiguration", "Runtime")}
)
"""Whose enum is checked after everything else, as an InvalidParameterValueException."""
