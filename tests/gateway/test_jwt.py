"""Tokens as issuers make them, and as attackers do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from lambent.gateway import jwt

NOW = 1_800_000_000
ISSUER = "https://issuer.example"
CLAIMS = {"iss": ISSUER, "aud": "app", "exp": NOW + 60, "iat": NOW - 5, "sub": "ann"}
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)


def wrap(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return wrap(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def jwk(key, kid, **more):
    numbers = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"kty": "RSA", "kid": kid, "n": number(numbers.n), "e": number(numbers.e), **more}
    x, y = (wrap(part.to_bytes(32, "big")) for part in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y, **more}


KEYS = jwt.read_keys(
    {
        "keys": [
            jwk(RSA_KEY, "rsa", alg="RS256", use="sig"),
            jwk(EC_KEY, "ec"),
            jwk(WEAK_KEY, "weak"),
            jwk(RSA_KEY, "other-use", use="enc"),
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
            {"kty": "EC", "kid": "off-curve", "crv": "P-256", "x": "AQ", "y": "AQ"},
            "junk",
        ]
    }
)


def signed(claims=CLAIMS, alg="RS256", kid="rsa", key=RSA_KEY, **head):
    text = f"{wrap({'alg': alg, 'kid': kid, 'typ': 'JWT', **head})}.{wrap(claims)}"
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        signature = key(text.encode())
    return f"{text}.{wrap(signature)}"


def judge(text):
    token = jwt.decode(text)
    jwt.check_signature(token, KEYS.get(token.kid))
    jwt.check_claims(token.claims, ISSUER, ("app", "other"), NOW)
    return token.claims


def test_only_usable_keys_are_kept():
    assert set(KEYS) == {"rsa", "ec", "weak"}
    assert KEYS["weak"].algorithms == frozenset()


@pytest.mark.parametrize(
    "text", [signed(), signed(alg="ES256", kid="ec", key=EC_KEY), signed({**CLAIMS, "aud": ["x", "app"]})]
)  # fmt: skip
def test_what_the_issuer_made_counts(text):
    assert judge(text)["sub"] == "ann"


PUBLIC = json.dumps(jwk(RSA_KEY, "rsa")).encode()


def with_secret(secret):
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "segments"),
        ("a.b", "segments"),
        ("a.b.c.d", "segments"),
        ("a" * 20_000 + ".b.c", "segments"),
        ("!.!.!", "cannot be decoded"),
        (f"{wrap([])}.{wrap({})}.", "cannot be decoded"),
        (f"{wrap(b'[' * 100_000)[:9_000]}.{wrap({})}.", "cannot be decoded"),
        (signed(crit=["exp"]), "cannot be decoded"),
        (signed(kid=7), "kid is missing"),
        (signed(kid="unknown"), "kid does not match"),
        (signed(kid="secret", alg="HS256", key=with_secret(b"secret")), "not supported"),
        (signed(alg="none", key=lambda _: b""), "not supported"),
        (signed(alg="HS256", key=with_secret(PUBLIC)), "not supported"),
        (signed(alg="ES256", kid="rsa", key=EC_KEY), "not that of the key"),
        (signed(alg="RS512"), "not that of the key"),
        (signed(kid="weak", key=WEAK_KEY), "not that of the key"),
        (signed(kid="ec"), "not that of the key"),
        (signed(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)), "signature"),
        (signed(alg="ES256", kid="ec", key=lambda _: b"\0" * 64), "signature"),
        (signed(alg="ES256", kid="ec", key=lambda _: b"x"), "signature"),
        (signed()[:-6] + "AAAAAA", "signature"),
        (signed({**CLAIMS, "iss": ISSUER + "/"}), "valid issuer"),
        (signed({k: v for k, v in CLAIMS.items() if k != "iss"}), "valid issuer"),
        (signed({**CLAIMS, "aud": "else"}), "valid audience"),
        (signed({**CLAIMS, "aud": []}), "valid audience"),
        (signed({**CLAIMS, "aud": None, "client_id": "app"}), "valid audience"),
        (signed({**CLAIMS, "exp": NOW}), "has expired"),
        (signed({k: v for k, v in CLAIMS.items() if k != "exp"}), "has expired"),
        (signed({**CLAIMS, "exp": str(NOW + 60)}), "exp is not a time"),
        (signed({**CLAIMS, "exp": True}), "exp is not a time"),
        (signed({**CLAIMS, "nbf": NOW + 1}), "not valid yet"),
        (signed({**CLAIMS, "iat": NOW + 1}), "not valid yet"),
    ],
)  # fmt: skip
def test_what_does_not_count(text, why):
    with pytest.raises(jwt.InvalidToken) as caught:
        judge(text)
    assert why in str(caught.value)


def test_changed_claims_are_found_out():
    head, _, signature = signed().split(".")
    with pytest.raises(jwt.InvalidToken, match="invalid signature"):
        judge(f"{head}.{wrap({**CLAIMS, 'sub': 'eve'})}.{signature}")


def test_without_an_audience_the_client_counts():
    claims = {k: v for k, v in CLAIMS.items() if k != "aud"} | {"client_id": "other"}
    assert judge(signed(claims))["client_id"] == "other"


def test_claims_are_shown_as_text():
    claims = {"sub": "ann", "exp": 1800000060, "ok": True, "n": None, "groups": ["a", "b"],
              "half": 0.5, "whole": 3.0, "map": {"b": 1, "a": "x"}}  # fmt: skip
    assert jwt.shown(claims) == {
        "sub": "ann", "exp": "1800000060", "ok": "true", "n": "null", "groups": "[a b]",
        "half": "0.5", "whole": "3", "map": "map[a:x b:1]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claims", "expected"),
    [({"scope": "a b"}, ["a", "b"]), ({"scp": ["a", 1]}, ["a"]), ({}, []), ({"scope": 3}, [])],
)
def test_scopes(claims, expected):
    assert jwt.scopes(claims) == expected
