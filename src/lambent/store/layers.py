"""Rows of layers and their versions. Every function here runs inside `Database.write` or `read`."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from lambent.store.policies import Policy


class LayerVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a layer; only its policy ever changes."""

    number: int
    sha256: str
    """Hexadecimal: the package's name in `store/artifacts.py`."""
    size: int
    """Bytes of the zip."""
    unpacked: int
    """Bytes of what was in it."""
    created_ms: int
    description: str = ""
    license_info: str | None = None
    runtimes: tuple[str, ...] | None = None
    """None: never given. AWS shows a list only when one was."""
    architectures: tuple[str, ...] | None = None
    policy: Policy | None = None
    signing_profile_version_arn: str = ""
    """As `records.Code` has it."""
    signing_job_arn: str = ""


_decode = msgspec.json.Decoder(LayerVersion).decode
_encode = msgspec.json.Encoder().encode


def put(
    connection: apsw.Connection, account: str, region: str, layer: str, version: LayerVersion
) -> None:
    """Insert or replace a version; its number is remembered past its own life."""
    connection.execute(
        "INSERT INTO layers VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
        (account, region, layer, version.number),
    )
    connection.execute(
        "INSERT INTO layer_versions VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, layer, version.number, _encode(version)),
    )


def delete(connection: apsw.Connection, account: str, region: str, layer: str, number: int) -> None:
    connection.execute(
        "DELETE FROM layer_versions WHERE account = ? AND region = ? AND layer = ? AND number = ?",
        (account, region, layer, number),
    )


def load(connection: apsw.Connection) -> Iterator[tuple[str, str, str, LayerVersion]]:
    """(account, region, layer, version), each layer's in order of their numbers."""
    rows = connection.execute(
        "SELECT account, region, layer, document FROM layer_versions"
        " ORDER BY account, region, layer, number"
    )
    for account, region, layer, document in rows:
        yield account, region, layer, _decode(document)


def load_numbers(connection: apsw.Connection) -> dict[tuple[str, str, str], int]:
    """The highest number ever published by (account, region, layer)."""
    rows = connection.execute("SELECT account, region, name, last FROM layers")
    return {(account, region, name): last for account, region, name, last in rows}
