"""What several operations ask for in the same words: a group by name or identifier, and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from lambent.api.context import Context
from lambent.control.log_groups import group_name
from lambent.control.names import Scope
from lambent.errors import InvalidParameter

T = TypeVar("T")
Decoded = TypeVar("Decoded")

PAGE: Final = 50


class NamedGroup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Requests about one group, by its name alone."""

    log_group_name: str


class IdentifiedGroup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Requests that take a name or an identifier, which may be an ARN."""

    log_group_name: str | None = None
    log_group_identifier: str | None = None


def scope_of(ctx: Context) -> Scope:
    return Scope(ctx.account, ctx.region)


def group_of(ctx: Context, req: IdentifiedGroup) -> str:
    """The group's name; whether it exists is asked later."""
    given = [name for name in (req.log_group_name, req.log_group_identifier) if name is not None]
    if len(given) != 1:
        raise InvalidParameter(
            "Exactly one of the parameters logGroupName and logGroupIdentifier must be specified."
        )
    return group_name(scope_of(ctx), given[0])


def encode_token(value: object) -> str:
    """A token that clients take as opaque."""
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()


def decode_token(token: str, kind: type[Decoded]) -> Decoded:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise invalid_token() from None


def invalid_token() -> InvalidParameter:
    return InvalidParameter("The specified nextToken is invalid.")


def page(
    items: Sequence[T],
    keys: Sequence[tuple[int, str]],
    token: str | None,
    limit: int | None,
    *,
    descending: bool = False,
) -> tuple[Sequence[T], str | None]:
    """One page of `items`, which are in the order of their `keys`, and the next one's token.

    The token holds the last key shown, so it stays good while things come and go.
    """
    start = 0
    if token is not None:
        last = decode_token(token, tuple[int, str])
        start = sum(1 for key in keys if (key >= last if descending else key <= last))
    end = start + (limit or PAGE)
    return items[start:end], encode_token(keys[end - 1]) if end < len(items) else None
