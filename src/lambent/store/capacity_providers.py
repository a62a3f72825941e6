"""Rows of capacity providers. Every function here runs inside `Database.write` or `Database.read`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import msgspec


class CapacityProvider(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One capacity provider; what only matters to EC2 is kept as it was given."""

    name: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    operator_role: str
    modified_ms: int
    requirements: dict[str, Any] = {}
    scaling: dict[str, Any] = {}
    kms_key_arn: str = ""
    tags: dict[str, str] = {}
    propagate_tags: dict[str, Any] | None = None
    telemetry: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(CapacityProvider).decode
_encode = msgspec.json.Encoder().encode


def put(connection: apsw.Connection, account: str, region: str, kept: CapacityProvider) -> None:
    connection.execute(
        "INSERT INTO capacity_providers VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, kept.name, _encode(kept)),
    )


def delete(connection: apsw.Connection, account: str, region: str, name: str) -> None:
    connection.execute(
        "DELETE FROM capacity_providers WHERE account = ? AND region = ? AND name = ?",
        (account, region, name),
    )


def load(connection: apsw.Connection) -> Iterator[tuple[str, str, CapacityProvider]]:
    """(account, region, capacity provider) of all."""
    rows = connection.execute("SELECT account, region, document FROM capacity_providers")
    for account, region, document in rows:
        yield account, region, _decode(document)
