"""Who may call: with `auth = "any"` everyone, with `auth = "sigv4"` whoever signs with a known key.

A request is judged twice: its head before the body is read (key, scope, date, which headers are
signed), so that a stranger cannot make us read 70 MB; then the signature, which covers the body's
hash. Keys are `control/iam/keyring`'s; what a
caller may do is `access`'s question. Errors carry AWS's codes and texts ("Signature Version 4 troubleshooting").
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

from lambent.api import chunked_payload, sigv4
from lambent.api.credentials import ALGORITHM, Identifier, Identity, Scope, parse_scope
from lambent.api.spent_signatures import SpentSignatures
from lambent.clock import Clock
from lambent.control.iam.keyring import Caller, KeyRing
from lambent.control.iam.query import Principal
from lambent.errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
)
from lambent.http.headers import Headers
from lambent.settings import Settings

SKEW: Final = timedelta(minutes=5)
PRESIGNED_MAX_S: Final = 7 * 24 * 3600
HASH_OFF_LOOP_BYTES: Final = 256 * 1024
"""Bodies past this are hashed in an executor: 6 MB take 4 ms or more."""

_UNSIGNED: Final = frozenset({"UNSIGNED-PAYLOAD", chunked_payload.UNSIGNED_TRAILER})
_STAMP: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_FORM: Final = "%Y%m%dT%H%M%SZ"

MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class Head:
    """The signed parts of a request, frozen before its body is read."""

    method: str
    path: str
    query: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature that is well-formed and timely; `Authenticator.verify` tells if it is true."""

    identity: Identity
    scope: Scope
    timestamp: str
    signed: tuple[str, ...]
    signature: str
    declared_hash: str | None
    """x-amz-content-sha256, when signed."""
    caller: Caller
    made_ms: int
    ends_ms: int
    """From when to when it holds, wall time."""
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What Authorization and a presigned query have in common, as text."""

    algorithm: str
    credential: str
    signed: str
    signature: str
    timestamp: str
    lifetime: timedelta
    token: str | None


class Authenticator:
    """Judges requests by the server's settings."""

    def __init__(self, settings: Settings, clock: Clock, keys: KeyRing | None = None) -> None:
        """`keys` None means those of `auth_keys` alone."""
        self._keys = keys or KeyRing(settings.auth_keys)
        self._clock = clock
        self._identifier = Identifier(settings.account, settings.region)
        self.verifies = settings.auth == "sigv4"
        self._spent = SpentSignatures(clock) if settings.sign_once else None
        self.identify = self._identifier.identify
        """For `auth = "any"`: never refuses."""

    def claim(self, head: Head, service: str = "lambda") -> Claim:
        """What the head claims; raises for everything that can be told without the body.

        `service` is what the credential must be scoped to.
        """
        parts = _parts(head)
        if parts.algorithm != ALGORITHM:
            raise IncompleteSignature(f"Unsupported AWS 'algorithm': '{parts.algorithm[:100]}'.")
        scope = parse_scope(parts.credential)
        if scope is None:
            raise IncompleteSignature(
                "Credential must have exactly 5 slash-delimited elements, e.g. "
                f"keyid/date/region/service/term, got '{parts.credential[:200]}'"
            )
        key = self._keys.find(scope.key, parts.token)
        self._check_scope(scope, parts, service)
        made = self._check_time(parts)
        signed = tuple(parts.signed.split(";"))
        _check_signed(head, signed)
        declared = head.headers.get(b"x-amz-content-sha256")
        identity = self._identifier.of_scope(scope)
        caller = key.caller
        if caller is None:
            root = f"arn:aws:iam::{identity.account}:root"
            caller = Caller(Principal(root, identity.account), "Root")
        else:
            identity = Identity(caller.principal.account, identity.region, scope.key)
        return Claim(
            identity=identity,
            scope=scope,
            timestamp=parts.timestamp,
            signed=signed,
            signature=parts.signature,
            declared_hash=declared.decode("latin-1") if declared is not None else None,
            caller=caller,
            made_ms=int(made.timestamp() * 1000),
            ends_ms=int((made + parts.lifetime).timestamp() * 1000),
            secret=key.secret,
        )

    def verify(self, head: Head, claim: Claim, body: bytes, *, reads: bool = False) -> bytes:
        """The payload, which is `body` unless that is in signed chunks.

        Raises `InvalidSignature` unless head and body are what the key's holder signed. `reads`: the
        request changes nothing, and may come twice even where each signature counts once.
        """
        payload_hash = claim.declared_hash
        chunked = payload_hash == chunked_payload.STREAMING
        if payload_hash is None or not (chunked or payload_hash in _UNSIGNED):
            actual = hashlib.sha256(body).hexdigest() if body else sigv4.EMPTY_SHA256
            if payload_hash is not None and not sigv4.equal(actual, payload_hash):
                raise InvalidSignature(MISMATCH)
            payload_hash = actual
        request = sigv4.canonical_request(
            head.method,
            head.path,
            head.query.decode("latin-1"),
            sigv4.latin(head.headers.items()),
            claim.signed,
            payload_hash,
            as_sent=claim.scope.service == "s3",
        )
        expected = sigv4.signature(claim.secret, claim.scope, claim.timestamp, request)
        if not sigv4.equal(expected, claim.signature):
            raise InvalidSignature(MISMATCH)
        if (
            self._spent is not None and not reads
        ):  # only now: who has no key must not use up another's signature
            self._spent.spend(claim.signature, claim.made_ms, claim.ends_ms)
        return _dechunked(head, claim, body) if chunked else body

    def _check_scope(self, scope: Scope, parts: _Parts, service: str) -> None:
        if scope.terminator != "aws4_request":
            raise InvalidSignature(
                "Credential should be scoped with a valid terminator: 'aws4_request', "
                f"not '{scope.terminator[:100]}'."
            )
        if scope.service != service:
            raise InvalidSignature(f"Credential should be scoped to correct service: '{service}'. ")
        date = parts.timestamp[:8]
        if scope.date != date:
            raise InvalidSignature(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
                f"from HTTP: '{scope.date[:100]}' != '{date}', from '{parts.timestamp[:100]}'."
            )

    def _check_time(self, parts: _Parts) -> datetime:
        """When it was made."""
        if not _STAMP.fullmatch(parts.timestamp):
            raise IncompleteSignature(
                "Date must be in ISO-8601 'basic format'. "
                f"Got '{parts.timestamp[:100]}'. See http://en.wikipedia.org/wiki/ISO_8601"
            )
        now = datetime.fromtimestamp(self._clock.time_ms() / 1000, UTC)
        try:
            made = datetime.fromisoformat(parts.timestamp)
        except ValueError:
            raise IncompleteSignature(f"'{parts.timestamp}' is not a date.") from None
        if made > now + SKEW:
            raise InvalidSignature(
                f"Signature not yet current: {parts.timestamp} is still later than "
                f"{now + SKEW:{_FORM}} ({now:{_FORM}} + 5 min.)"
            )
        if made + parts.lifetime < now:
            limit = f"({now:{_FORM}} - {parts.lifetime.total_seconds() / 60:.0f} min.)"
            raise InvalidSignature(
                f"Signature expired: {parts.timestamp} is now earlier than "
                f"{now - parts.lifetime:{_FORM}} {limit}"
            )
        return made


def _dechunked(head: Head, claim: Claim, body: bytes) -> bytes:
    key = sigv4.signing_key(claim.secret, claim.scope)
    try:
        payload = chunked_payload.decode(
            body, key, claim.timestamp, claim.scope.text, claim.signature
        )
    except chunked_payload.BrokenChunks:
        raise InvalidSignature(MISMATCH) from None
    told = head.headers.get(b"x-amz-decoded-content-length")
    if told != str(len(payload)).encode():
        raise InvalidSignature(MISMATCH)
    return payload


def _parts(head: Head) -> _Parts:
    authorization = head.headers.get(b"authorization")
    if authorization is not None:
        return _from_header(authorization.decode("latin-1"), head)
    if b"X-Amz-Signature=" in head.query:
        return _from_query(head.query)
    raise MissingAuthenticationToken("Missing Authentication Token")


def _from_header(text: str, head: Head) -> _Parts:
    algorithm, _, rest = text.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    timestamp = _date(head.headers)
    token = head.headers.get(b"x-amz-security-token")
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not fields.get(name)
    ]
    if timestamp is None:
        missing.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if missing or timestamp is None:
        raise IncompleteSignature(" ".join(missing))
    return _Parts(
        algorithm=algorithm,
        credential=fields["Credential"],
        signed=fields["SignedHeaders"],
        signature=fields["Signature"],
        timestamp=timestamp,
        lifetime=SKEW,
        token=None if token is None else token.decode("latin-1").strip(),
    )


def _date(headers: Headers) -> str | None:
    """X-Amz-Date; without it Date, which may be written as HTTP writes dates."""
    given = headers.get(b"x-amz-date") or headers.get(b"date")
    text = None if given is None else given.decode("latin-1").strip()
    if text is None or _STAMP.fullmatch(text):
        return text
    try:
        return parsedate_to_datetime(text).astimezone(UTC).strftime(_FORM)
    except ValueError:
        return text


def _from_query(query: bytes) -> _Parts:
    fields = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    missing = [f"'X-Amz-{name}'" for name in names if not fields.get(f"X-Amz-{name}")]
    if missing:
        raise IncompleteSignature(f"AWS query-string parameters must include {', '.join(missing)}.")
    expires = fields["X-Amz-Expires"]
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= 6):
        raise IncompleteSignature("X-Amz-Expires should be a number")
    if not 0 < int(expires) <= PRESIGNED_MAX_S:
        raise IncompleteSignature("X-Amz-Expires must be less than a week (in seconds)")
    return _Parts(
        algorithm=fields["X-Amz-Algorithm"],
        credential=fields["X-Amz-Credential"],
        signed=fields["X-Amz-SignedHeaders"],
        signature=fields["X-Amz-Signature"],
        timestamp=fields["X-Amz-Date"],
        lifetime=timedelta(seconds=int(expires)),
        token=fields.get("X-Amz-Security-Token"),
    )


def _check_signed(head: Head, signed: tuple[str, ...]) -> None:
    """Host, and whatever AWS header is there: one slipped in on the way must not count."""
    if list(signed) != sorted(set(signed)):
        raise InvalidSignature("'SignedHeaders' must be sorted and name each header once.")
    names = {name.decode("latin-1") for name, _ in head.headers.items()}
    required = {"host"}
    if b"authorization" in head.headers and "x-amz-date" not in names:
        required.add("date")  # it says when the signature was made
    for name in sorted(names | required):
        if (name in required or name.startswith("x-amz-")) and name not in signed:
            raise InvalidSignature(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    absent = set(signed) - names
    if absent:
        raise InvalidSignature(f"The signed header '{min(absent)[:100]}' is not in the request.")
