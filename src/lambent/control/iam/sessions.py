"""Session credentials, issued here and verified without keeping anything.

A token says whose session it is and until when, and is sealed with the server's key
(HMAC-SHA256); key id and secret follow from it. So credentials survive a restart, end by
themselves, and nothing has to be remembered or revoked. (AWS IAM user guide, "Temporary security
credentials".)
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

KEY_BYTES: Final = 32
_MARK: Final = b"L1"
_SEAL_BYTES: Final = 32
_TOKEN_MAX: Final = 4096


class Session(msgspec.Struct, frozen=True, array_like=True):
    """Whose credentials, until when."""

    role_arn: str
    name: str
    """The session's: for functions the function's name."""
    ends_ms: int
    nonce: str


class SessionKeys(msgspec.Struct, frozen=True):
    access_key_id: str
    secret_access_key: str
    session_token: str


class Sessions:
    """Issues and reads tokens with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, role_arn: str, name: str, ends_ms: int) -> SessionKeys:
        body = msgspec.json.encode(Session(role_arn, name, ends_ms, secrets.token_hex(8)))
        sealed = _MARK + body + self._mac(b"token", body)
        token = base64.b64encode(sealed).decode()
        return SessionKeys(self._key_id(body), self._secret(body), token)

    def read(self, access_key: str, token: str) -> tuple[Session, str] | None:
        """The session and its secret; None unless this key sealed `token` for `access_key`."""
        if len(token) > _TOKEN_MAX:
            return None
        try:
            sealed = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return None
        body, seal = sealed[len(_MARK) : -_SEAL_BYTES], sealed[-_SEAL_BYTES:]
        if not sealed.startswith(_MARK) or not hmac.compare_digest(seal, self._mac(b"token", body)):
            return None
        if not hmac.compare_digest(self._key_id(body).encode(), access_key.encode()):
            return None
        return msgspec.json.decode(body, type=Session), self._secret(body)

    def _key_id(self, body: bytes) -> str:
        return "ASIA" + base64.b32encode(self._mac(b"id", body)[:10]).decode()

    def _secret(self, body: bytes) -> str:
        return base64.b64encode(self._mac(b"secret", body)[:30]).decode()

    def _mac(self, purpose: bytes, body: bytes) -> bytes:
        return hmac.digest(self._key, purpose + b"\0" + body, "sha256")


def key_of(path: Path) -> bytes:
    """The key kept at `path`, readable for the owner alone; made when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) == KEY_BYTES:
        return key
    key = secrets.token_bytes(KEY_BYTES)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return key
