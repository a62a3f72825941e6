"""Signing what is deployed: with a profile of this machine (`lambent sign`), its newest version.

A signature says when it was made, so two of one package differ, and every deploy would look like
new code. `signed` therefore remembers its statements beside the profiles: the same package by the
same profile version is the same zip again.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from lambent.delivery.problem import USAGE, Problem
from lambent.signing import envelope, judging, profiles
from lambent.signing.statement import read

DAYS: Final = 4_105
"""135 months, as AWS Signer's signatures for Lambda last."""
_LEFT: Final = timedelta(days=30)
"""A remembered signature that ends sooner is made anew."""


def signed(package: bytes, profile: str, folder: Path | None = None) -> bytes:
    """The package with a signature of `profile`, the same for the same package."""
    folder = folder or profiles.default_dir()
    signer = signer_of(profile, folder)
    version = signer.arn.rpartition("/")[2]
    digest = hashlib.sha384(package).hexdigest()
    kept = folder / "signatures" / f"{digest}.{version}.sig"
    if (text := _remembered(kept, signer, digest)) is not None:
        return envelope.append(package, text)
    made = anew(package, signer, DAYS)
    parts = envelope.split(made)
    assert parts is not None  # it was made just now
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(parts.statement)
    return made


def anew(package: bytes, signer: profiles.Profile, days: int, name: str = "the package") -> bytes:
    """Signed now; raises what cannot be signed as a problem with a fix."""
    try:
        return judging.sign(package, signer, datetime.now(UTC), days)
    except envelope.NotPlainError as error:
        raise Problem(
            "SIGN_PACKAGE",
            f"{name} cannot be signed: {error}",
            fix="zip the files anew, and sign that",
            exit_code=USAGE,
        ) from None


def signer_of(profile: str, folder: Path | None = None) -> profiles.Profile:
    try:
        return profiles.newest(folder or profiles.default_dir(), profile)
    except profiles.ProfileError as error:
        raise no_profile(profile, error) from None


def no_profile(name: str, error: profiles.ProfileError) -> Problem:
    return Problem("SIGN_PROFILE", str(error), fix=f"lambent sign profile {name}", exit_code=USAGE)


def _remembered(kept: Path, signer: profiles.Profile, digest: str) -> bytes | None:
    """The statement of an earlier signature, if it is ours and lasts."""
    try:
        text = kept.read_bytes()
    except OSError:
        return None
    found = read(text)
    if found is None or not found.is_by(signer.key.public_key()):
        return None
    lasts = found.statement.expires_at > datetime.now(UTC) + _LEFT
    return text if lasts and found.statement.digest == digest else None
