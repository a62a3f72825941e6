"""JSON Web Tokens, as HTTP APIs judge them: signature, issuer, audience, times, scopes.

Pure: a token and an issuer's keys in, claims or why not out. Only signatures by a public key count
(RSA, as on AWS, and ECDSA), and the key decides which: a token can choose neither `none` nor a
shared secret. (API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers";
RFC 7515, 7517 and 7518.)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

LONGEST: Final = 16 * 1024
LEAST_RSA_BITS: Final = 2048
_RSA: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512(),
}  # fmt: skip
_CURVES: Final[Mapping[str, tuple[str, ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    "ES256": ("P-256", ec.SECP256R1(), hashes.SHA256()),
    "ES384": ("P-384", ec.SECP384R1(), hashes.SHA384()),
}


class InvalidToken(Exception):  # noqa: N818  says what it is
    """Why a token does not count, in the words of `error_description`."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of an issuer."""

    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    algorithms: frozenset[str]
    """What may be signed with it."""


Keys = Mapping[str, Key]
"""By `kid`."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it came: nothing in it is believed yet."""

    kid: str
    algorithm: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def decode(text: str) -> Token:
    """Raises `InvalidToken` for what is none."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > LONGEST or not text.isascii():
        raise InvalidToken("token contains an invalid number of segments")
    try:
        head, claims = (msgspec.json.decode(_unwrapped(part)) for part in parts[:2])
        signature = _unwrapped(parts[2])
    except (ValueError, RecursionError):
        raise InvalidToken("the token cannot be decoded") from None
    if not isinstance(head, dict) or not isinstance(claims, dict) or "crit" in head:
        raise InvalidToken("the token cannot be decoded")
    kid, algorithm = head.get("kid"), head.get("alg")
    if not isinstance(kid, str):
        raise InvalidToken("kid is missing from the token's header")
    if algorithm not in _RSA and algorithm not in _CURVES:
        raise InvalidToken("signing method is not supported")
    return Token(kid, str(algorithm), claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def check_signature(token: Token, key: Key | None) -> None:
    """Raises `InvalidToken` unless the issuer made it."""
    if key is None:
        raise InvalidToken("kid does not match a key of the issuer")
    if token.algorithm not in key.algorithms:
        raise InvalidToken("signing method is not that of the key")
    try:
        if isinstance(key.public, rsa.RSAPublicKey):
            method = _RSA[token.algorithm]
            key.public.verify(token.signature, token.signed, padding.PKCS1v15(), method)
        else:
            of_curve = _CURVES[token.algorithm][2]
            half = (key.public.curve.key_size + 7) // 8
            if len(token.signature) != 2 * half:
                raise InvalidToken("the token has an invalid signature")
            r, s = (
                int.from_bytes(part) for part in (token.signature[:half], token.signature[half:])
            )
            key.public.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(of_curve))
    except InvalidSignature:
        raise InvalidToken("the token has an invalid signature") from None


def check_claims(
    claims: Mapping[str, Any], issuer: str, audience: Sequence[str], now_s: float
) -> None:
    """Raises `InvalidToken` unless it is for here and now."""
    if claims.get("iss") != issuer:
        raise InvalidToken("the token does not have a valid issuer")
    meant = claims["aud"] if "aud" in claims else claims.get("client_id")
    if not set(_texts(meant)) & set(audience):
        raise InvalidToken("the token does not have a valid audience")
    expires = _moment(claims, "exp")
    if expires is None or expires <= now_s:
        raise InvalidToken("the token has expired")
    for claim in ("nbf", "iat"):
        moment = _moment(claims, claim)
        if moment is not None and moment > now_s:
            raise InvalidToken("the token is not valid yet")


def scopes(claims: Mapping[str, Any]) -> list[str]:
    """Of `scope` or `scp`, which are texts with blanks or lists."""
    given = claims["scope"] if "scope" in claims else claims.get("scp")
    return given.split() if isinstance(given, str) else _texts(given)


def shown(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as events have them: every value as text, lists in brackets."""
    return {name: _text(value) for name, value in claims.items()}


def read_keys(document: object) -> dict[str, Key]:
    """The usable keys of a JSON Web Key Set; those of other kinds are left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = {}
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("kid"), str):
            try:
                key = _key(one)
            except (ValueError, KeyError, TypeError):
                continue
            if key is not None:
                found[one["kid"]] = key
    return found


def _key(one: Mapping[str, Any]) -> Key | None:
    if one.get("use", "sig") != "sig":
        return None
    if one.get("kty") == "RSA":
        public = rsa.RSAPublicNumbers(_number(one["e"]), _number(one["n"])).public_key()
        allowed = set(_RSA) if public.key_size >= LEAST_RSA_BITS else set()
    elif one.get("kty") == "EC":
        names = {alg for alg, (curve, _, _) in _CURVES.items() if curve == one.get("crv")}
        if not names:
            return None
        curve = _CURVES[min(names)][1]
        numbers = ec.EllipticCurvePublicNumbers(_number(one["x"]), _number(one["y"]), curve)
        return Key(numbers.public_key(), frozenset(names))
    else:
        return None
    if "alg" in one:
        allowed &= {one["alg"]}
    return Key(public, frozenset(allowed))


def _number(text: str) -> int:
    return int.from_bytes(_unwrapped(text))


def _unwrapped(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _texts(value: object) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidToken(f"the token's {name} is not a time")
    return float(min(value, 1e15))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return msgspec.json.encode(value).decode()
