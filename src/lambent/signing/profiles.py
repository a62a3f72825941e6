"""Who signs: a profile has versions, and each is a key pair with a certificate of its own.

`<folder>/<profile>.<version>.key` signs and never leaves its owner; `<profile>.<version>.pem` is the
certificate, whose subject alternative name is the profile version's ARN. A server believes the
certificates that stand in its `signing_dir`, but for those whose ARN, or a job's, stands on a line
of `revoked.txt` there.
"""

from __future__ import annotations

import os
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lambent.signing.statement import PROFILE_VERSION, Statement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.x509 import Certificate

REVOKED: Final = "revoked.txt"
NAME: Final = re.compile(r"[A-Za-z0-9_]{2,64}")
_ALPHABET: Final = string.ascii_letters + string.digits


class ProfileError(Exception):
    """A profile that cannot be made or used; the text says why."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One version of a profile that this machine can sign with."""

    arn: str
    certificate: Path
    key: EllipticCurvePrivateKey
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Trusted:
    """What a server believes, as its folder says now."""

    keys: dict[str, list[tuple[EllipticCurvePublicKey, datetime]]]
    """By profile version ARN: the keys, and when their certificates end."""
    revoked: frozenset[str]
    """ARNs of profile versions and of jobs."""

    def has_revoked(self, said: Statement) -> bool:
        return not self.revoked.isdisjoint({said.profile_version_arn, said.job_arn})


def default_dir() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "lambent" / "signing"


def create(folder: Path, name: str, account: str, region: str, days: int, now: datetime) -> Profile:
    """A new version of a profile: key and certificate are written."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if not NAME.fullmatch(name):
        raise ProfileError(f"'{name}' is no profile name: 2 to 64 letters, digits and _")
    version = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    arn = f"arn:aws:signer:{region}:{account}:/signing-profiles/{name}/{version}"
    if not re.fullmatch(PROFILE_VERSION, arn):
        raise ProfileError(f"account {account!r} or region {region!r} cannot be right")
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = _certificate(key, name, arn, days, now)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(folder / f"{name}.{version}.key", secret, 0o600)
    public = folder / f"{name}.{version}.pem"
    _write(public, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return Profile(arn, public, key, certificate.not_valid_after_utc)


def newest(folder: Path, name: str) -> Profile:
    """The version of a profile that was made last, of those whose key is here."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    found = []
    for path in folder.glob("*.pem"):
        if path.name.split(".")[0] == name and path.with_suffix(".key").is_file():
            certificate = _read(path)
            arn = None if certificate is None else _arn(certificate)
            if certificate is not None and arn is not None:
                found.append((certificate.not_valid_before_utc, arn, path, certificate))
    if not found:
        raise ProfileError(f"there is no profile '{name}' in {folder}")
    _, arn, path, certificate = max(found, key=lambda each: each[:2])
    key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ProfileError(f"{path.with_suffix('.key')} is not an elliptic curve's key")
    return Profile(arn, path, key, certificate.not_valid_after_utc)


def trusted(folder: Path) -> Trusted:
    """Read anew every time: what is put into the folder, or revoked there, holds at once."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    keys: dict[str, list[tuple[EllipticCurvePublicKey, datetime]]] = {}
    for path in sorted(folder.glob("*.pem")):
        certificate = _read(path)
        if certificate is None:
            continue
        arn, key = _arn(certificate), certificate.public_key()
        if arn is not None and isinstance(key, EllipticCurvePublicKey):
            keys.setdefault(arn, []).append((key, certificate.not_valid_after_utc))
    try:
        lines = (folder / REVOKED).read_text().splitlines()
    except FileNotFoundError:
        lines = []
    said = (line.partition("#")[0].strip() for line in lines)
    return Trusted(keys, frozenset(arn for arn in said if arn))


def _certificate(
    key: EllipticCurvePrivateKey, name: str, arn: str, days: int, now: datetime
) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
    return (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(arn)]), critical=False
        )
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA384())
    )


def _read(path: Path) -> Certificate | None:
    """A certificate; None for a file that is none, which is nobody's."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _arn(certificate: Certificate) -> str | None:
    """The profile version that a certificate stands for."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    arns = names.get_values_for_type(x509.UniformResourceIdentifier)
    return arns[0] if len(arns) == 1 and re.fullmatch(PROFILE_VERSION, arns[0]) else None


def _write(path: Path, content: bytes, mode: int) -> None:
    """With its mode from the first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
