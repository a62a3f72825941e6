"""What a signature says, as text, and how it is signed: ECDSA with SHA-384, as AWS Signer's.

Seven lines in one fixed form; what deviates in a single byte is no statement. The signature covers
all lines before its own. Next: `envelope` puts the text into a package.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

_ARN: Final = r"arn:aws[a-z-]*:signer:[a-z0-9-]+:[0-9]{12}:"
PROFILE_VERSION: Final = _ARN + r"/signing-profiles/[A-Za-z0-9_]{2,64}/[A-Za-z0-9]{10}"
_JOB: Final = _ARN + r"/signing-jobs/[0-9a-f-]{36}"
_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_TEXT: Final = re.compile(
    (
        "(?P<signed>lambent-signature: 1\n"
        f"profile-version: (?P<profile>{PROFILE_VERSION})\n"
        f"job: (?P<job>{_JOB})\n"
        f"signed-at: (?P<signed_at>{_TIME})\n"
        f"expires-at: (?P<expires_at>{_TIME})\n"
        "package-sha384: (?P<digest>[0-9a-f]{96})\n)"
        "signature: (?P<signature>[A-Za-z0-9+/]{1,200}={0,2})\n"
    ).encode()
)
_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Statement:
    profile_version_arn: str
    job_arn: str
    signed_at: datetime
    expires_at: datetime
    digest: str
    """SHA-384 of the package before it was signed, in hexadecimal."""

    def text(self) -> bytes:
        """The lines that are signed."""
        return (
            "lambent-signature: 1\n"
            f"profile-version: {self.profile_version_arn}\n"
            f"job: {self.job_arn}\n"
            f"signed-at: {self.signed_at.astimezone(UTC):{_FORM}}\n"
            f"expires-at: {self.expires_at.astimezone(UTC):{_FORM}}\n"
            f"package-sha384: {self.digest}\n"
        ).encode()

    def sealed(self, key: EllipticCurvePrivateKey) -> bytes:
        """The whole text, signature included."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

        text = self.text()
        signature = key.sign(text, ECDSA(hashes.SHA384()))
        return text + b"signature: " + base64.b64encode(signature) + b"\n"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A statement as it was found, not yet believed."""

    statement: Statement
    text: bytes
    signature: bytes

    def is_by(self, key: EllipticCurvePublicKey) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

        try:
            key.verify(self.signature, self.text, ECDSA(hashes.SHA384()))
        except InvalidSignature:
            return False
        return True


def read(content: bytes) -> Sealed | None:
    """None for everything that `Statement.sealed` does not write."""
    found = _TEXT.fullmatch(content)
    if found is None:
        return None
    try:
        statement = Statement(
            profile_version_arn=found["profile"].decode(),
            job_arn=found["job"].decode(),
            signed_at=_time(found["signed_at"]),
            expires_at=_time(found["expires_at"]),
            digest=found["digest"].decode(),
        )
        signature = base64.b64decode(found["signature"], validate=True)
    except (ValueError, binascii.Error):
        return None
    return Sealed(statement, found["signed"], signature)


def _time(text: bytes) -> datetime:
    return datetime.strptime(text.decode(), _FORM).replace(tzinfo=UTC)
