"""botocore signs, we verify; what was changed on the way is refused."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.api.auth import Authenticator, Head
from lambent.api.credentials import Identifier, Identity
from lambent.clock import ManualClock
from lambent.errors import (
    AwsError,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)
from lambent.http.headers import Headers
from lambent.settings import Settings

KEYS = {"AKID": "secret", "111122223333": "other"}
NOW = int(datetime.now(UTC).timestamp())


def authenticator(offset_s=0):
    clock = ManualClock(start_ms=int((datetime.now(UTC).timestamp() + offset_s) * 1000))
    return Authenticator(Settings(auth="sigv4", auth_keys=KEYS), clock)


def signed(
    method="GET",
    path="/2015-03-31/functions/f",
    body=b"",
    headers=None,
    *,
    key="AKID",
    token=None,
    presign=False,
    service="lambda",
    region="eu-west-1",
    expires=3600,
):
    request = botocore.awsrequest.AWSRequest(
        method, f"http://127.0.0.1:9000{path}", headers or {}, body
    )
    credentials = botocore.credentials.Credentials(key, KEYS.get(key, "none"), token)
    if presign:
        botocore.auth.SigV4QueryAuth(credentials, service, region, expires).add_auth(request)
    else:
        botocore.auth.SigV4Auth(credentials, service, region).add_auth(request)
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    fields = [(b"host", b"127.0.0.1:9000")]
    fields += [
        (k.lower().encode(), v if isinstance(v, bytes) else v.encode())
        for k, v in prepared.headers.items()
    ]
    return Head(method, url.path, url.query.encode(), Headers(fields))


def verify(head, body=b"", **given):
    judge = authenticator(**given)
    claim = judge.claim(head)
    judge.verify(head, claim, body)
    return claim.identity


def changed(head, **fields):
    now = {name: getattr(head, name) for name in ("method", "path", "query", "headers")}
    return Head(**{**now, **fields})


def with_header(head, name, value):
    return changed(
        head,
        headers=Headers([(k, v) for k, v in head.headers.items() if k != name] + [(name, value)]),
    )


SEGMENT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)
QUOTED = SEGMENT.map(lambda s: __import__("urllib.parse").parse.quote(s, safe="~"))
PLAIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.lists(QUOTED, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    query=st.lists(st.tuples(QUOTED, QUOTED), max_size=4),
    body=st.binary(max_size=64),
    header=PLAIN,
    token=st.none() | st.just("session/token=="),
    presign=st.booleans(),
)
def test_what_botocore_signs_is_accepted(method, path, query, body, header, token, presign):
    body = b"" if presign else body  # botocore presigns no body
    target = path + ("?" + "&".join(f"{k}={v}" for k, v in query) if query else "")
    head = signed(
        method, target, body, {"X-Amz-Client-Context": header}, token=token, presign=presign
    )
    assert verify(head, body) == Identity("123456789012", "eu-west-1")
    for other in (
        changed(head, method="PATCH"),
        changed(head, path=head.path + "x"),
        changed(head, query=head.query + b"&a=b"),
        with_header(head, b"host", b"other"),
        with_header(head, b"x-amz-client-context", b"another value"),
        with_header(head, b"x-amz-added", b"1"),
    ):
        with pytest.raises(InvalidSignature):
            verify(other, body)
    with pytest.raises(InvalidSignature):
        verify(head, body + b"x")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_byte_of_the_authorization_is_refused(data):
    head = signed("POST", "/2015-03-31/functions/f/invocations?Qualifier=1", b"{}", token="t")
    value = head.headers.get(b"authorization")
    spots = [i for i, b in enumerate(value) if b not in b" ,"]  # blanks between parts mean nothing
    place = data.draw(st.sampled_from(spots))
    byte = data.draw(st.integers(33, 126).filter(lambda b: b != value[place]))
    other = with_header(head, b"authorization", value[:place] + bytes([byte]) + value[place + 1 :])
    with pytest.raises(AwsError):
        verify(other, b"{}")


def test_a_key_that_is_an_account():
    assert verify(signed(key="111122223333")) == Identity("111122223333", "eu-west-1")


def test_nothing_signed():
    with pytest.raises(MissingAuthenticationToken):
        verify(Head("GET", "/", b"", Headers([(b"host", b"x")])))


def test_a_key_that_nobody_knows():
    with pytest.raises(
        UnrecognizedClient, match="The security token included in the request is invalid"
    ):
        verify(signed(key="AKIDOTHER"))


@pytest.mark.parametrize(
    ("offset_s", "text"),
    [
        (301, "Signature expired: .* is now earlier than .* - 5 min"),
        (-302, "Signature not yet current: .* 5 min"),
    ],
)
def test_five_minutes_of_skew(offset_s, text):
    verify(signed(), offset_s=offset_s - 15 if offset_s > 0 else offset_s + 15)
    with pytest.raises(InvalidSignature, match=text):
        verify(signed(), offset_s=offset_s)


def test_a_presigned_link_lives_as_long_as_it_says():
    verify(signed(presign=True, expires=7200), offset_s=7100)
    with pytest.raises(InvalidSignature, match="Signature expired"):
        verify(signed(presign=True, expires=7200), offset_s=7300)
    with pytest.raises(IncompleteSignature, match="less than a week"):
        verify(signed(presign=True, expires=700_000))


def test_scopes():
    with pytest.raises(InvalidSignature, match="scoped to correct service: 'lambda'"):
        verify(signed(service="s3"))
    head = signed()
    value = head.headers.get(b"authorization")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y%m%d").encode()
    today = datetime.now(UTC).strftime("%Y%m%d").encode()
    with pytest.raises(InvalidSignature, match="Date in Credential scope does not match"):
        verify(with_header(head, b"authorization", value.replace(today, yesterday)))
    with pytest.raises(InvalidSignature, match="valid terminator"):
        verify(with_header(head, b"authorization", value.replace(b"aws4_request", b"aws3_request")))


@pytest.mark.parametrize(
    "value",
    [b"Basic YTpi", b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA256 Credential=a/b", b"", b"\xff,=,"],
)
def test_what_is_no_signature(value):
    with pytest.raises(IncompleteSignature):
        verify(with_header(signed(), b"authorization", value))


def test_a_header_added_on_the_way_does_not_count():
    with pytest.raises(InvalidSignature, match="'x-amz-invocation-type' must be a 'SignedHeader'"):
        verify(with_header(signed(), b"x-amz-invocation-type", b"Event"))


def test_a_declared_hash_must_be_the_bodys():
    digest = hashlib.sha256(b"body").hexdigest()
    head = signed("POST", body=b"body", headers={"X-Amz-Content-SHA256": digest})
    verify(head, b"body")
    with pytest.raises(InvalidSignature):
        verify(head, b"other")


def test_a_payload_may_be_left_unsigned_by_who_signs():
    head = signed("POST", body=b"body", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    verify(head, b"anything")
    with pytest.raises(InvalidSignature):
        verify(
            with_header(signed("POST", body=b"a"), b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
            b"b",
        )


def test_identities_of_those_who_need_not_sign():
    identify = Identifier("123456789012", "us-east-1").identify
    assert identify(None, b"") == Identity("123456789012", "us-east-1")
    head = signed(key="999988887777")
    assert identify(head.headers.get(b"authorization"), b"") == Identity(
        "999988887777", "eu-west-1"
    )
    link = signed(key="999988887777", presign=True)
    assert identify(None, link.query) == Identity("999988887777", "eu-west-1")
    for other in (b"Bearer x", b"AWS4-HMAC-SHA256 Credential=a/b/c, x", b"", b"\xff"):
        assert identify(other, b"") == Identity("123456789012", "us-east-1")
    for i in range(5000):
        identify(b"AWS4-HMAC-SHA256 Credential=%d/1/r/lambda/aws4_request, S" % i, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a/./b/../c//d/",
        "/a/..",
        "//a",
        "/a%2Fb%20c",
        "/caf%C3%A9",
        "/a+b",
        "/x?b=2&a=1&a=0&c",
        "/x?k=a%20b%2B~",
    ],
)
def test_paths_and_queries_are_normalised_as_botocore_does(path):
    assert verify(signed(path=path)).region == "eu-west-1"


def now(offset_s=0):
    """A clock that stands; botocore signs with the machine's."""
    return ManualClock(start_ms=int((datetime.now(UTC).timestamp() + offset_s) * 1000))


def once(clock=None, most=None):
    clock = clock or now()
    judge = Authenticator(Settings(auth="sigv4", auth_keys=KEYS, sign_once=True), clock)
    if most is not None:
        judge._spent._most = most
    return judge


def test_a_signature_holds_until_its_time_is_over_as_on_aws():
    head, judge = signed(), authenticator()
    for _ in range(3):
        judge.verify(head, judge.claim(head), b"")


@pytest.mark.parametrize("presign", [False, True])
def test_where_each_counts_once_a_second_use_is_refused(presign):
    clock = now()
    head, other = signed(presign=presign), signed(path="/other", presign=presign)
    judge = once(clock)
    judge.verify(head, judge.claim(head), b"")
    judge.verify(other, judge.claim(other), b"")
    for _ in range(2):
        with pytest.raises(InvalidSignature, match="used before"):
            judge.verify(head, judge.claim(head), b"")
        asyncio.run(clock.advance(100))


def test_a_wrong_signature_uses_nothing_up():
    head, judge = signed(method="POST", body=b"{}"), once()
    with pytest.raises(InvalidSignature):
        judge.verify(head, judge.claim(head), b"[]")
    judge.verify(head, judge.claim(head), b"{}")


def test_what_was_signed_before_the_start_cannot_have_been_watched():
    head, judge = signed(), once(now(offset_s=60))
    with pytest.raises(InvalidSignature, match="before this server started"):
        judge.verify(head, judge.claim(head), b"")


def test_the_memory_of_signatures_is_bounded_and_never_forgets_too_early():
    clock = now()
    judge = once(clock, most=2)
    first, second, third = (signed(path=f"/{n}") for n in range(3))
    for head in (first, second):
        judge.verify(head, judge.claim(head), b"")
    with pytest.raises(AwsError, match="Rate Exceeded"):
        judge.verify(third, judge.claim(third), b"")
    with pytest.raises(InvalidSignature, match="used before"):
        judge.verify(first, judge.claim(first), b"")
    claim = judge.claim(third)
    asyncio.run(clock.advance(400))  # the first two have run out
    judge.verify(third, claim, b"")


def test_a_date_header_will_do_if_it_is_signed():
    """botocore signs by it when a request has one."""
    head = signed(headers={"Date": "whenever"})
    assert head.headers.get(b"x-amz-date") is None
    assert verify(head).account == "123456789012"
    with pytest.raises(InvalidSignature):
        verify(with_header(head, b"date", b"Mon, 30 Nov 2026 00:00:00 GMT"))
    hidden = dict(head.headers.items())
    hidden[b"authorization"] = hidden[b"authorization"].replace(b"date;", b"")
    with pytest.raises(InvalidSignature, match="'date' must be a 'SignedHeader'"):
        verify(changed(head, headers=Headers(list(hidden.items()))))
    with pytest.raises(InvalidSignature, match="ISO-8601"):
        verify(with_header(head, b"date", b"whenever"))
    with pytest.raises(InvalidSignature, match="expired"):
        verify(head, offset_s=301)
