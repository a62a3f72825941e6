"""The configuration of a function URL's CORS, rule by rule."""

import pytest

from lambent.gateway.cors import Cors, without_cors

PAGE = "https://www.example.com"


def test_a_page_that_is_not_allowed_is_told_nothing():
    cors = Cors(allow_origins=["https://other.example"], allow_methods=["*"], max_age_s=5)
    assert cors.answer_fields(PAGE) == []
    assert cors.preflight_fields(PAGE, "GET", "") == []


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("*", True),
        (PAGE, True),
        ("https://*", True),
        ("https://*.example.com", True),
        ("http://*", False),
        ("https://*.example.org", False),
        ("https://example.com", False),
    ],
)
def test_origins(rule, allowed):
    fields = dict(Cors(allow_origins=[rule]).answer_fields(PAGE))
    assert (b"Access-Control-Allow-Origin" in fields) is allowed
    if allowed and rule != "*":
        assert fields[b"Access-Control-Allow-Origin"] == PAGE.encode()
        assert fields[b"Vary"] == b"Origin"


def test_credentials_are_never_told_with_a_star():
    fields = dict(Cors(allow_origins=["*"], allow_credentials=True).answer_fields(PAGE))
    assert fields[b"Access-Control-Allow-Origin"] == PAGE.encode()
    assert fields[b"Access-Control-Allow-Credentials"] == b"true"


def test_a_preflight_names_what_is_allowed():
    cors = Cors(
        allow_origins=[PAGE],
        allow_methods=["GET", "POST"],
        allow_headers=["X-One", "x-two"],
        expose_headers=["x-three"],
        max_age_s=60,
    )
    fields = dict(cors.preflight_fields(PAGE, "POST", "x-one, X-Two"))
    assert fields[b"Access-Control-Allow-Methods"] == b"GET,POST"
    assert fields[b"Access-Control-Allow-Headers"] == b"X-One,x-two"
    assert fields[b"Access-Control-Max-Age"] == b"60"
    assert b"Access-Control-Allow-Methods" not in dict(cors.preflight_fields(PAGE, "PUT", ""))
    assert b"Access-Control-Allow-Headers" not in dict(cors.preflight_fields(PAGE, "GET", "x-no"))


def test_the_functions_own_fields_give_way():
    fields = [(b"access-control-allow-origin", b"*"), (b"X-Own", b"1")]
    assert without_cors(fields) == [(b"X-Own", b"1")]
