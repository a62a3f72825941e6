"""From a package and what a server trusts to a `Finding`, and the making of what passes.

Integrity comes first, as on AWS: a package that carries a signature and is not what was signed is
`broken`, whatever a policy says. Everything else is the policy's matter
(`control/code_signing.py`).
"""

from __future__ import annotations

import mmap
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from lambent.signing import envelope
from lambent.signing.profiles import Profile, Trusted
from lambent.signing.statement import Statement, read
from lambent.store.zip_directory import BadZipError, entries


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Literal["unsigned", "broken", "stranger", "signed"]
    """`stranger`: whole, by a profile version that this server has no certificate of."""
    statement: Statement | None = None
    expires_at: datetime | None = None
    """The signature's end, or its certificate's, whichever comes first."""
    revoked: bool = False


def sign(package: bytes, profile: Profile, now: datetime, days: int) -> bytes:
    """The signed package; raises `envelope.NotPlainError`. No signature outlives its certificate."""
    account_and_region = profile.arn.split(":/signing-profiles/")[0]
    statement = Statement(
        profile_version_arn=profile.arn,
        job_arn=f"{account_and_region}:/signing-jobs/{uuid.uuid4()}",
        signed_at=now,
        expires_at=min(now + timedelta(days=days), profile.expires_at),
        digest=envelope.digest(package),
    )
    return envelope.append(package, statement.sealed(profile.key))


def judge(package: Path, trust: Callable[[], Trusted]) -> Finding:
    """Blocking: a signed package is read whole. It has been unpacked, so it is a zip.

    `trust` is asked when there is something to believe.
    """
    with (
        package.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        if not _carries(data):
            return Finding("unsigned")
        parts = envelope.split(data)
    sealed = None if parts is None else read(parts.statement)
    if parts is None or sealed is None or sealed.statement.digest != parts.unsigned_sha384:
        return Finding("broken")
    trusted = trust()
    said = sealed.statement
    keys = trusted.keys.get(said.profile_version_arn)
    if not keys:
        return Finding("stranger", said)
    for key, ends in keys:
        if sealed.is_by(key):
            expires = min(said.expires_at, ends)
            return Finding("signed", said, expires, trusted.has_revoked(said))
    return Finding("broken")


def _carries(data: mmap.mmap) -> bool:
    """Whether the reader that unpacks sees a signature, by any spelling of its name."""
    try:
        return any(
            "/".join(p for p in entry.name.split("/") if p not in {"", "."}) == envelope.NAME
            for entry in entries(data)
        )
    except BadZipError:
        return True
