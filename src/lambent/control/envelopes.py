"""Environment variables of functions with a KMSKeyArn, as the database has them: sealed by KMS.

Where an endpoint for KMS is configured, each such function gets a data key of its own key
(GenerateDataKey, with the function's ARN as context). The variables are encrypted with it and kept
beside what only KMS can open, so the data directory gives them away to nobody whom KMS refuses. They
are opened once, when the server starts; what KMS refuses then stays locked: the version cannot be
invoked, says why, and is tried again. Elsewhere `store/sealing` alone seals, as it does here on top.
(AWS Lambda developer guide, "Securing Lambda environment variables".)
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lambent.control.aws_clients import AwsClients
from lambent.control.bundle import Bundle
from lambent.control.names import Scope
from lambent.errors import InvalidParameterValue
from lambent.store.records import Configuration, Version

_NONCE_BYTES: Final = 12


class Owner(NamedTuple):
    """Whose variables."""

    scope: Scope
    name: str

    @property
    def arn(self) -> str:
        return self.scope.arn(self.name)


class _DataKey(NamedTuple):
    cipher: AESGCM
    blob: bytes
    """What KMS opens."""


class _Refusal(NamedTuple):
    """What KMS said."""

    code: str
    message: str


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """As it is kept, in base64 of its JSON."""

    key_arn: str
    blob: bytes
    nonce: bytes
    variables: bytes


class Envelopes:
    """Seals and opens; data keys stay in memory, as the variables do."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients
        self._keys: dict[tuple[Owner, str], _DataKey] = {}

    async def prepare(self, function: Owner, key_arn: str) -> None:
        """Before variables are kept under a key: have a data key of it. Raises AWS's refusal."""
        if (
            not key_arn
            or self._clients.endpoint("kms") is None
            or (function, key_arn) in self._keys
        ):
            return
        made = await self._ask(
            function,
            lambda kms, context: kms.generate_data_key(
                KeyId=key_arn, KeySpec="AES_256", EncryptionContext=context
            ),
        )
        if isinstance(made, _Refusal):
            raise InvalidParameterValue(
                "Lambda was unable to encrypt your environment variables. Please check your KMS key "
                f"settings. KMS Exception: {made.code} KMS Message: {made.message}"
            )
        self._keys[function, key_arn] = _DataKey(AESGCM(made["Plaintext"]), made["CiphertextBlob"])

    def seal(self, function: Owner, version: Version) -> Version:
        """As it is to be kept."""
        kept = version.configuration
        key = self._keys.get((function, kept.kms_key_arn))
        if kept.locked:  # it is sealed as it came
            return _with(version, locked="")
        if key is None or not kept.environment:
            return version
        nonce = os.urandom(_NONCE_BYTES)
        variables = msgspec.json.encode(kept.environment)
        sealed = _Sealed(
            kept.kms_key_arn,
            key.blob,
            nonce,
            key.cipher.encrypt(nonce, variables, function.arn.encode()),
        )
        text = base64.b64encode(msgspec.json.encode(sealed)).decode()
        return _with(version, environment=None, sealed_environment=text)

    async def opened(self, bundle: Bundle) -> Bundle:
        """All versions of a function, as `open` gives them."""
        owner = Owner(bundle.scope, bundle.function.name)
        for version in list(bundle.versions.values()):
            bundle = bundle.with_version(await self.open(owner, version))
        return bundle

    async def open(self, function: Owner, version: Version) -> Version:
        """As it was before `seal`; locked, with the reason, when KMS refuses."""
        text = version.configuration.sealed_environment
        if not text:
            return version
        sealed = msgspec.json.decode(base64.b64decode(text), type=_Sealed)
        key = await self._key(function, sealed)
        if isinstance(key, _Refusal):
            return _with(version, locked=f"{key.code}: {key.message}")
        try:
            variables = key.cipher.decrypt(sealed.nonce, sealed.variables, function.arn.encode())
        except InvalidTag:
            return _with(version, locked="InvalidCiphertextException: not what was sealed")
        environment = msgspec.json.decode(variables, type=dict[str, str])
        return _with(version, environment=environment, sealed_environment="", locked="")

    async def _key(self, function: Owner, sealed: _Sealed) -> _DataKey | _Refusal:
        known = self._keys.get((function, sealed.key_arn))
        if known is not None and known.blob == sealed.blob:
            return known
        if self._clients.endpoint("kms") is None:
            return _Refusal("NotConfigured", "no endpoint of KMS is configured (aws_endpoint_url)")
        found = await self._ask(
            function,
            lambda kms, context: kms.decrypt(
                CiphertextBlob=sealed.blob, KeyId=sealed.key_arn, EncryptionContext=context
            ),
        )
        if isinstance(found, _Refusal):
            return found
        key = self._keys[function, sealed.key_arn] = _DataKey(
            AESGCM(found["Plaintext"]), sealed.blob
        )
        return key

    async def _ask(
        self, function: Owner, question: Callable[[Any, dict[str, str]], Any]
    ) -> Any | _Refusal:
        context = {"aws:lambda:FunctionArn": function.arn}

        def work() -> Any | _Refusal:
            from botocore.exceptions import BotoCoreError, ClientError

            try:
                return question(self._clients.client("kms", function.scope.region), context)
            except ClientError as error:
                told = error.response["Error"]
                return _Refusal(told.get("Code", ""), told.get("Message", ""))
            except BotoCoreError as error:
                return _Refusal(type(error).__name__, str(error))

        return await self._clients.run(work)


def is_locked(bundle: Bundle) -> bool:
    """Whether KMS has not opened some version's variables."""
    return any(version.configuration.locked for version in bundle.versions.values())


def unlocked(now: Bundle | None, opened: Bundle) -> Bundle | None:
    """`now` with the variables that have been opened; something else may have changed meanwhile."""
    for number, version in {} if now is None else list(now.versions.items()):
        found = opened.versions.get(number)
        if now is None or found is None or not version.configuration.locked:
            continue
        if not found.configuration.locked:
            environment = found.configuration.environment
            fresh = _with(version, environment=environment, sealed_environment="", locked="")
            now = now.with_version(fresh)
    return now


def _with(version: Version, **changes: Any) -> Version:
    kept: Configuration = msgspec.structs.replace(version.configuration, **changes)
    return msgspec.structs.replace(version, configuration=kept)
