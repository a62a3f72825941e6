"""Pages of lists: at most 50 items, and a marker that stays good while things come and go.

The marker is the key of the last item shown, so a page begins after it even if it has been
deleted meanwhile. Clients must take it as opaque, as on AWS.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from lambent.errors import InvalidParameterValue

T = TypeVar("T")

PAGE: Final = 50
"""AWS: "Lambda returns a maximum of 50 items in each response, even if you set the number higher"."""


def page(
    items: Iterable[T], key: Callable[[T], list[Any]], marker: str | None, max_items: int | None
) -> tuple[list[T], str | UnsetType]:
    """The items of one page, in the order of their keys, and the marker of the next one."""
    size = min(max_items or PAGE, PAGE)
    after = None if marker is None else _decode(marker)
    keyed = [(key(item), item) for item in items]
    try:
        rest = keyed if after is None else [pair for pair in keyed if pair[0] > after]
    except TypeError:  # a list of something else
        raise _invalid() from None
    first = heapq.nsmallest(size + 1, rest, key=itemgetter(0))
    shown = [item for _, item in first[:size]]
    if len(first) <= size:
        return shown, UNSET
    last = first[size - 1][0]
    return shown, base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()


def _decode(marker: str) -> list[Any]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(marker), type=list[Any])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _invalid() from None


def _invalid() -> InvalidParameterValue:
    return InvalidParameterValue(
        "Invalid pagination token: Marker is not one that a list returned."
    )
