"""Signed chunks, signed by botocore's signer one by one; nothing may be changed, cut or moved."""

import hashlib
from datetime import UTC, datetime

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from lambent.api.auth import Authenticator, Head
from lambent.api.chunked_payload import STREAMING
from lambent.clock import ManualClock
from lambent.errors import InvalidSignature
from lambent.http.headers import Headers
from lambent.settings import Settings

EMPTY = hashlib.sha256(b"").hexdigest()


def signed(chunks, length=None):
    """A head, and the frames of its body."""
    length = sum(map(len, chunks)) if length is None else length
    request = botocore.awsrequest.AWSRequest(
        "POST",
        "http://127.0.0.1:9000/2015-03-31/functions/f/invocations",
        {"X-Amz-Content-SHA256": STREAMING, "x-amz-decoded-content-length": str(length)},
        b"",
    )
    signer = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials("AKID", "secret"), "lambda", "us-east-1"
    )
    # As botocore's S3 signers do: the declared hash is what is signed.
    signer.payload = lambda _request: STREAMING
    signer.add_auth(request)
    before = request.headers["Authorization"].rpartition("Signature=")[2]
    stamp, frames = request.context["timestamp"], []
    scope = f"{stamp[:8]}/us-east-1/lambda/aws4_request"
    for chunk in [*chunks, b""]:
        digest = hashlib.sha256(chunk).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{before}\n{EMPTY}\n{digest}"
        before = signer.signature(text, request)
        frames.append(f"{len(chunk):x};chunk-signature={before}\r\n".encode() + chunk + b"\r\n")
    fields = [(b"host", b"127.0.0.1:9000")]
    fields += [
        (k.lower().encode(), v if isinstance(v, bytes) else v.encode())
        for k, v in request.headers.items()
    ]
    return Head("POST", "/2015-03-31/functions/f/invocations", b"", Headers(fields)), frames


def verify(head, body):
    clock = ManualClock(start_ms=int(datetime.now(UTC).timestamp() * 1000))
    judge = Authenticator(Settings(auth="sigv4", auth_keys={"AKID": "secret"}), clock)
    return judge.verify(head, judge.claim(head), body)


@pytest.mark.parametrize("chunks", [[], [b"{}"], [b'{"a":', b"1}"], [b"x" * 70_000, b"y"]])
def test_the_payload_comes_out_of_its_chunks(chunks):
    head, frames = signed(chunks)
    assert verify(head, b"".join(frames)) == b"".join(chunks)


def test_attacks_on_chunks():
    head, frames = signed([b"aa", b"bb", b"cc"])
    first, second, third, last = frames
    for body in (
        first + second + third,  # without its end
        first + third + last,  # one left out
        first + last,
        second + first + third + last,  # moved
        first + first + second + third + last,  # twice
        first.replace(b"aa", b"ab") + second + third + last,
        b"".join(frames) + b"x",
        b"aabbcc",
        b"",
        b"ffffffff" + first[1:],
    ):
        with pytest.raises(InvalidSignature):
            verify(head, body)


def test_the_length_that_was_declared_must_be_the_payloads():
    head, frames = signed([b"aa"], length=3)
    with pytest.raises(InvalidSignature):
        verify(head, b"".join(frames))
