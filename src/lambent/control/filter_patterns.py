"""Filter patterns of event source mappings: which records a function wants to see.

EventBridge's pattern language (AWS Lambda developer guide, "Control which events Lambda sends to
your function"): every key of a pattern must match, each by one of a list of rules. `check` refuses
what is no pattern; `matches` judges one record. Messages whose body is not what the pattern looks
into (an object, or plain text) do not match.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from lambent.errors import InvalidParameterValue

_MAX_FILTERS: Final = 5
_COMPARE: Final = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ABSENT: Final = object()


def check(patterns: Sequence[str]) -> None:
    """Raises AWS's refusal of a text that is no pattern."""
    if len(patterns) > _MAX_FILTERS:
        raise InvalidParameterValue(
            f"The number of filters exceeds the limit of {_MAX_FILTERS} per event source mapping."
        )
    for pattern in patterns:
        try:
            read = msgspec.json.decode(pattern, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            raise _invalid() from None
        if not read or not _is_pattern(read):
            raise _invalid()


def matches(patterns: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> bool:
    """Whether any of the patterns, already decoded, wants the record; no pattern wants all."""
    return not patterns or any(_object(pattern, record) for pattern in patterns)


def _invalid() -> InvalidParameterValue:
    return InvalidParameterValue("Invalid filter pattern definition.")


def _is_pattern(pattern: Mapping[str, Any]) -> bool:
    for key, value in pattern.items():
        if key == "$or":
            good = isinstance(value, list) and all(
                isinstance(each, dict) and _is_pattern(each) for each in value
            )
        elif isinstance(value, dict):
            good = bool(value) and _is_pattern(value)
        else:
            good = isinstance(value, list) and bool(value) and all(map(_is_rule, value))
        if not good:
            return False
    return True


def _is_rule(rule: Any) -> bool:
    if not isinstance(rule, dict):
        return not isinstance(rule, list)
    if len(rule) != 1:
        return False
    ((kind, value),) = rule.items()
    return kind in _SOUND and _SOUND[kind](value)


def _is_numeric(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in {2, 4}
        and all(isinstance(each, str) and each in _COMPARE for each in value[::2])
        and all(isinstance(each, int | float) for each in value[1::2])
    )


def _is_affix(value: Any) -> bool:
    folded = value.get("equals-ignore-case") if isinstance(value, dict) else value
    return isinstance(folded, str)


_SOUND: Final[dict[str, Callable[[Any], bool]]] = {
    "exists": lambda value: isinstance(value, bool),
    "numeric": _is_numeric,
    "prefix": _is_affix,
    "suffix": _is_affix,
    "anything-but": lambda value: _is_rule(value) if isinstance(value, dict) else value is not None,
    "equals-ignore-case": lambda value: isinstance(value, str),
    "wildcard": lambda value: isinstance(value, str),
}
"""By kind of rule: whether its value is one."""


def _object(pattern: Mapping[str, Any], record: Any) -> bool:
    if not isinstance(record, Mapping):
        return False
    for key, wanted in pattern.items():
        if key == "$or":
            good = any(_object(each, record) for each in wanted)
        else:
            good = _member(wanted, record.get(key, _ABSENT))
        if not good:
            return False
    return True


def _member(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        if isinstance(value, str):  # a message's body, which is JSON or not
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                return False
        return _object(wanted, {} if value is _ABSENT else value)
    values = value if isinstance(value, list) else [value]
    return any(_rule(rule, each) for rule in wanted for each in values)


def _rule(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return value is not _ABSENT and _same(rule, value)
    ((kind, wanted),) = rule.items()
    if kind == "exists":
        return bool((value is not _ABSENT) == wanted)
    if value is _ABSENT:
        return False
    if kind == "anything-but":
        return _anything_but(wanted, value)
    if kind == "numeric":
        return isinstance(value, int | float) and all(
            _COMPARE[operator](value, number)
            for operator, number in zip(wanted[::2], wanted[1::2], strict=True)
        )
    return isinstance(value, str) and _text(kind, wanted, value)


def _text(kind: str, wanted: Any, value: str) -> bool:
    if isinstance(wanted, dict):
        wanted, value = wanted["equals-ignore-case"].lower(), value.lower()
    if kind == "prefix":
        return value.startswith(wanted)
    if kind == "suffix":
        return value.endswith(wanted)
    if kind == "wildcard":
        return (
            re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), value, re.DOTALL) is not None
        )
    return value.lower() == str(wanted).lower()


def _anything_but(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        return not _rule(wanted, value)
    return not any(
        _same(each, value) for each in (wanted if isinstance(wanted, list) else [wanted])
    )


def _same(wanted: Any, value: Any) -> bool:
    """JSON's equality: true is not 1."""
    return isinstance(wanted, bool) == isinstance(value, bool) and bool(wanted == value)
