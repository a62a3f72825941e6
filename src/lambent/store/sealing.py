"""Documents that may hold secrets, encrypted on their way into the database (AES-256-GCM).

A sealed document is `S1`, a nonce of 12 bytes, and the ciphertext; one that begins with `{` was
written before there was a key, and is read as it is. The key is a file of its own, so that a copy of
the database alone gives nothing away. SQL statements call `sealed(…)` and `opened(…)`, which
`database` gives each connection; without a key both leave documents as they are.
"""

from __future__ import annotations

import os
from typing import Any, Final

import apsw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lambent.errors import ConfigurationError

_MARK: Final = b"S1"
_NONCE_BYTES: Final = 12


class Sealer:
    """With one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def sealed(self, document: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _MARK + nonce + self._cipher.encrypt(nonce, bytes(document), _MARK)

    def opened(self, document: bytes) -> bytes:
        if not document.startswith(_MARK):
            return document
        at = len(_MARK) + _NONCE_BYTES
        try:
            return self._cipher.decrypt(document[len(_MARK) : at], document[at:], _MARK)
        except InvalidTag:
            raise ConfigurationError(
                "the key file does not open what the database holds",
                code="STORE_KEY_WRONG",
                fix="put back the keys/store that belongs to this data directory",
            ) from None


def register(connection: apsw.Connection, sealer: Sealer | None) -> None:
    """The two SQL functions."""
    for name in ("sealed", "opened"):
        function: Any = _as_it_is if sealer is None else getattr(sealer, name)
        connection.create_scalar_function(name, function, 1)


def _as_it_is(document: bytes) -> bytes:
    return document
