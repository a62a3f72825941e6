"""The Condition block: operators over the keys of a request.

Every operator and every key of a block must hold; of a key's values in the policy one is enough, or
none for an operator that negates. A key that the request does not have fails, unless the operator
negates or ends in `IfExists`. (AWS IAM user guide, "IAM JSON policy elements: Condition operators"
and "Conditions with multiple context keys or values".)
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from lambent.control.iam.patterns import arn_matches, filled, matches
from lambent.control.iam.query import Context

Test = Callable[[str, str], bool]
"""(the policy's value, the request's value)."""

_NAME: Final = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")


class UnknownOperator(ValueError):  # noqa: N818  says what it is
    """A condition operator that IAM does not have."""


def _number(compare: Callable[[Decimal, Decimal], bool]) -> Test:
    def test(wanted: str, found: str) -> bool:
        try:
            return compare(Decimal(found), Decimal(wanted))
        except InvalidOperation:
            return False

    return test


def _date(compare: Callable[[float, float], bool]) -> Test:
    def test(wanted: str, found: str) -> bool:
        try:
            return compare(_moment(found), _moment(wanted))
        except ValueError:
            return False

    return test


def _moment(text: str) -> float:
    """Seconds since the epoch, of such a number or of an ISO 8601 date (UTC unless it says)."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(wanted: str, found: str) -> bool:
    try:
        return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _same(wanted: str, found: str) -> bool:
    # The policy's value may have been filled in, and is then escaped.
    return _plain(wanted) == found


def _same_ignoring_case(wanted: str, found: str) -> bool:
    return _plain(wanted).lower() == found.lower()


def _plain(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL) if "\\" in pattern else pattern


def _boolean(wanted: str, found: str) -> bool:
    return wanted.lower() == found.lower()


_POSITIVE: Final[Mapping[str, Test]] = {
    "StringEquals": _same,
    "StringEqualsIgnoreCase": _same_ignoring_case,
    "StringLike": matches,
    "NumericEquals": _number(lambda a, b: a == b),
    "NumericLessThan": _number(lambda a, b: a < b),
    "NumericLessThanEquals": _number(lambda a, b: a <= b),
    "NumericGreaterThan": _number(lambda a, b: a > b),
    "NumericGreaterThanEquals": _number(lambda a, b: a >= b),
    "DateEquals": _date(lambda a, b: a == b),
    "DateLessThan": _date(lambda a, b: a < b),
    "DateLessThanEquals": _date(lambda a, b: a <= b),
    "DateGreaterThan": _date(lambda a, b: a > b),
    "DateGreaterThanEquals": _date(lambda a, b: a >= b),
    "Bool": _boolean,
    "BinaryEquals": _same,
    "IpAddress": _in_network,
    # AWS documents these two as the same.
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
}
_NEGATED: Final[Mapping[str, Test]] = {
    "StringNotEquals": _same,
    "StringNotEqualsIgnoreCase": _same_ignoring_case,
    "StringNotLike": matches,
    "NumericNotEquals": _POSITIVE["NumericEquals"],
    "DateNotEquals": _POSITIVE["DateEquals"],
    "NotIpAddress": _in_network,
    "ArnNotEquals": arn_matches,
    "ArnNotLike": arn_matches,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key."""

    key: str
    """In lower case."""
    values: Sequence[str]
    test: Test | None
    """None for `Null`."""
    negated: bool = False
    over: str = ""
    """`ForAllValues`, `ForAnyValue`, or neither."""
    if_exists: bool = False

    def holds(self, context: Context, *, variables: bool = True) -> bool:
        found = context.get(self.key)
        if self.test is None:
            absent = found is None or not len(found)
            return any(_boolean(value, "true" if absent else "false") for value in self.values)
        if found is None or not found:
            return self._when_absent()
        wanted = [filled(value, context, variables=variables) for value in self.values]
        known = [value for value in wanted if value is not None]
        passed = (self._one(known, value) for value in found)
        return all(passed) if self.over == "ForAllValues" else any(passed)

    def _when_absent(self) -> bool:
        if self.over == "ForAllValues":
            return True
        if self.over == "ForAnyValue":
            return False
        return self.if_exists or self.negated

    def _one(self, wanted: Sequence[str], value: str) -> bool:
        assert self.test is not None
        found = any(self.test(pattern, value) for pattern in wanted)
        return not found if self.negated else found


def read(operator: str, key: str, values: Sequence[str]) -> Condition:
    """Raises `UnknownOperator`."""
    parts = _NAME.fullmatch(operator)
    if parts is None:
        raise UnknownOperator(operator)
    over, name, if_exists = parts[1] or "", parts[2], parts[3] is not None
    if name == "Null" and not over and not if_exists:
        return Condition(key.lower(), values, None)
    test = _POSITIVE.get(name) or _NEGATED.get(name)
    if test is None:
        raise UnknownOperator(operator)
    return Condition(key.lower(), values, test, name in _NEGATED, over, if_exists)
