"""The model's constraints, with AWS's text: required, length, range, pattern, enum.

All breaches of a request are reported in one answer, member by member in the model's order and,
within a member, longest first, then shortest, pattern, enum: the order in which AWS's own text
lists the constraints of a list's members. Wording that the model does not give is in
`constraints`. Next: `operations/<resource>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from lambent.api import constraints
from lambent.api.model import OperationModel, Shape, Value
from lambent.errors import InvalidParameterValue, ValidationException

_PRINTED_VALUE_MAX: Final = 16_384
"""AWS prints values whole; ours end here, so that an answer never carries a 50 MB value back."""

_SPACES: Final = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

Breach = tuple[str, Value, str, bool]
"""Path, value, constraint, and whether the value is sensitive, which AWS does not print."""


def validate(operation: OperationModel, values: dict[str, Value]) -> None:
    """Raises `ValidationException` with every breach, or `InvalidParameterValue` for two of them.

    The runtime's name and the 64 characters of a new function's name are checked last and alone.
    """
    breaches: list[Breach] = []
    shape = operation.input
    for name, member in shape.members.items():
        if name not in values:
            if name in shape.required:
                breaches.append((member.path_name, None, _NOT_NULL, False))
        elif (operation.name, name) not in constraints.RUNTIME_MEMBERS:
            limit = constraints.OPERATION_MAX_LENGTHS.get((operation.name, name))
            breaches.extend(_breaches(member.shape, values[name], member.path_name, limit))
    if breaches:
        raise ValidationException(_text(breaches))
    _runtime(operation, values)
    if operation.name == "CreateFunction":
        _plain_name(values["FunctionName"])


_NOT_NULL: Final = "Member must not be null"


def _text(breaches: list[Breach]) -> str:
    count = len(breaches)
    parts = "; ".join(
        f"Value{_shown(value, sensitive=sensitive)} at '{path}' failed to satisfy constraint: {constraint}"
        for path, value, constraint, sensitive in breaches
    )
    return f"{count} validation error{'s' if count > 1 else ''} detected: {parts}"


def _shown(value: Value, *, sensitive: bool) -> str:
    if value is None:
        return " null"
    if sensitive:
        return ""
    text = _printed(value)
    return f" '{text[:_PRINTED_VALUE_MAX]}'"


def _printed(value: Value) -> str:
    """As Java prints it."""
    if value is None or isinstance(value, bool):
        return str(value).replace("None", "null").lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_printed, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}={_printed(v)}" for k, v in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)


def _breaches(
    shape: Shape, value: Value, path: str, max_length: int | None = None
) -> Iterator[Breach]:
    sensitive = shape.sensitive or bool(shape.key and shape.key.sensitive)
    for constraint, holds in _checks(shape, value, max_length):
        if not holds:
            yield path, value, constraint, sensitive
    if shape.kind == "structure":
        yield from _structure(shape, value, path)
    elif shape.element and _holds_structures(shape.element):
        entries = (
            enumerate(value, 1) if shape.kind == "list" else value.items()
        )  # AWS counts members from 1
        for place, inner in entries:
            yield from _entry(shape.element, inner, f"{path}.{place}.member")


def _structure(shape: Shape, value: dict[str, Value], path: str) -> Iterator[Breach]:
    for name, member in shape.members.items():
        inner_path = f"{path}.{member.path_name}"
        if name in value:
            yield from _breaches(member.shape, value[name], inner_path)
        elif name in shape.required:
            yield inner_path, None, _NOT_NULL, False


def _entry(shape: Shape, value: Value, path: str) -> Iterator[Breach]:
    if value is None:
        yield path, None, _NOT_NULL, False
    else:
        yield from _breaches(shape, value, path)


def _checks(
    shape: Shape, value: Value, max_length: int | None = None
) -> Iterator[tuple[str, bool]]:
    """Each constraint of the shape itself as AWS words it, and whether `value` keeps it."""
    noun = "value" if shape.kind in {"integer", "long", "double"} else "length"
    size = value if noun == "value" else _length(value)
    maximum = max_length or constraints.MAX_LENGTHS.get(shape.name) or shape.maximum
    if maximum is not None:
        yield f"Member must have {noun} less than or equal to {maximum}", size <= maximum
    if shape.minimum is not None:
        yield (
            f"Member must have {noun} greater than or equal to {shape.minimum}",
            size >= shape.minimum,
        )
    if shape.pattern is not None:
        printed = constraints.PRINTED_PATTERNS.get(shape.name, shape.pattern)
        # A regular expression is not run over what is refused for its length anyway: some of the
        # model's patterns take quadratic time.
        matches = size > (maximum or 0) + 4096 or bool(_compiled(printed).fullmatch(value))
        yield f"Member must satisfy regular expression pattern: {printed}", matches
    if shape.enum is not None:
        yield _enum_text(shape), value in shape.enum or value in _printed_enum(shape)
    if shape.kind == "map" and shape.key and shape.element:
        yield _nested("Map keys must", shape.key), all(_keeps(shape.key, k) for k in value)
        if not _holds_structures(shape.element):
            kept = all(_keeps(shape.element, inner) for inner in value.values())
            yield _nested("Map value must", shape.element), kept
    if shape.kind == "list" and shape.element and not _holds_structures(shape.element):
        kept = all(_keeps(shape.element, inner) for inner in value)
        yield _nested("Member must", shape.element), kept


def _keeps(shape: Shape, value: Value) -> bool:
    return value is not None and all(holds for _, holds in _checks(shape, value))


@cache
def _nested(subject: str, shape: Shape) -> str:
    """The constraints of a list's or map's members, in one bracket."""
    texts = [text for text, _ in _checks(shape, _sample(shape))]
    return f"{subject} satisfy constraint: [{', '.join([*texts, _NOT_NULL])}]"


def _sample(shape: Shape) -> Any:
    """Any value of the right type: only the texts of its checks are wanted."""
    return {"list": [], "map": {}, "integer": 0, "long": 0, "double": 0.0, "blob": b""}.get(
        shape.kind, ""
    )


@cache
def _holds_structures(shape: Shape) -> bool:
    return shape.kind == "structure" or bool(shape.element and _holds_structures(shape.element))


def _length(value: Value) -> int:
    """Java counts UTF-16 units."""
    if isinstance(value, str) and not value.isascii():
        return len(value.encode("utf-16-le", "surrogatepass")) // 2
    return len(value) if isinstance(value, str | bytes | list | dict) else 0


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The model's patterns are Java's: ASCII classes, but for the Unicode categories of tags."""
    if r"\p{" not in pattern:
        return re.compile(pattern, re.ASCII)
    unicode = pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", "").replace(r"\p{Z}", _SPACES)
    return re.compile(unicode)


def _printed_enum(shape: Shape) -> tuple[str, ...]:
    return constraints.PRINTED_ENUMS.get(shape.name, shape.enum or ())


def _enum_text(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(_printed_enum(shape))}]"


def _runtime(operation: OperationModel, values: dict[str, Value]) -> None:
    """A runtime that AWS never had; what it had and blocks is for `control` to say."""
    if (operation.name, "Runtime") not in constraints.RUNTIME_MEMBERS or "Runtime" not in values:
        return
    shape = operation.input.members["Runtime"].shape
    value = values["Runtime"]
    if value not in (shape.enum or ()) and value not in _printed_enum(shape):
        raise InvalidParameterValue(
            f"Value {value[:_PRINTED_VALUE_MAX]} at 'runtime' failed to satisfy constraint: "
            f"{_enum_text(shape)} or be a valid ARN"
        )


def _plain_name(function_name: str) -> None:
    limit = constraints.PLAIN_NAME_MAX
    if ":" not in function_name and len(function_name) > limit:
        breach = f"Member must have length less than or equal to {limit}"
        raise InvalidParameterValue(_text([("functionName", function_name, breach, False)]))
