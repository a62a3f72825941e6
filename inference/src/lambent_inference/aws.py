"""S3 and SQS without an SDK: requests are signed here (SigV4), because importing one costs 0.3 s.

Credentials come from where Lambda puts them: the environment, or the container endpoint when a
snapshot must not hold them. `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL` are followed, so any S3 will
do. Blocking: call it through `work.wait`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlsplit

from msgspec import Struct

if TYPE_CHECKING:
    from lambent_inference.transport import Answer

BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.\-_]{1,62}")
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
ALGORITHM: Final = "AWS4-HMAC-SHA256"


class AwsFailed(Exception):  # noqa: N818  a condition, as in errors.py
    """What AWS said, or that it said nothing; fit to be shown."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class TooLargeObject(AwsFailed):
    pass


class Credentials(Struct, frozen=True):
    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key}, …)"


def credentials(environ: Mapping[str, str] = os.environ) -> Credentials:
    """As boto3 would find them in a function."""
    if (key := environ.get("AWS_ACCESS_KEY_ID")) and (
        secret := environ.get("AWS_SECRET_ACCESS_KEY")
    ):
        return Credentials(key, secret, environ.get("AWS_SESSION_TOKEN") or None)
    url = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url and (path := environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")):
        url = f"http://169.254.170.2{path}"
    if not url:
        raise AwsFailed("there are no AWS credentials")
    return _from_container(url, environ)


def _from_container(url: str, environ: Mapping[str, str]) -> Credentials:
    headers = {}
    if token := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
        headers["Authorization"] = token
    with _asked("GET", url, headers, None, 5.0) as answer:
        found = json.loads(answer.read(1 << 16))
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found.get("Token"))


# ── signing ──────────────────────────────────────────────────────────────────────────────────────


class Signer(Struct, frozen=True):
    """Signs for one service in one region."""

    service: str
    region: str
    credentials: Credentials

    def headers(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body_sha256: str,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """The headers to send: those given, and what signs them."""
        stamp = _stamp(now)
        signed = {name.lower(): value.strip() for name, value in headers.items()}
        signed |= {"host": urlsplit(url).netloc, "x-amz-date": stamp}
        if self.service == "s3":
            signed["x-amz-content-sha256"] = body_sha256
        if self.credentials.token:
            signed["x-amz-security-token"] = self.credentials.token
        names = ";".join(sorted(signed))
        canonical = self._canonical(method, url, urlsplit(url).query, signed, body_sha256)
        signed["authorization"] = (
            f"{ALGORITHM} Credential={self.credentials.access_key}/{self._scope(stamp)}, "
            f"SignedHeaders={names}, Signature={self._signature(stamp, canonical)}"
        )
        return signed

    def presigned(self, method: str, url: str, seconds: int, now: datetime | None = None) -> str:
        """A URL that is good for so long without any header."""
        stamp = _stamp(now)
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self.credentials.access_key}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        if self.credentials.token:
            query["X-Amz-Security-Token"] = self.credentials.token
        text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        host = {"host": urlsplit(url).netloc}
        canonical = self._canonical(method, url, text, host, "UNSIGNED-PAYLOAD")
        return f"{url}?{text}&X-Amz-Signature={self._signature(stamp, canonical)}"

    def _canonical(
        self, method: str, url: str, query: str, headers: Mapping[str, str], body_sha256: str
    ) -> str:
        path = urlsplit(url).path or "/"
        if self.service != "s3":  # every service but S3 encodes the path once more
            path = quote(path, safe="/~")
        pairs = sorted(
            (quote(name, safe="~"), quote(value, safe="~"))
            for name, value in parse_qsl(query, keep_blank_values=True)
        )
        lines = [method, path, "&".join(f"{name}={value}" for name, value in pairs)]
        lines += [f"{name}:{headers[name]}" for name in sorted(headers)]
        return "\n".join([*lines, "", ";".join(sorted(headers)), body_sha256])

    def _signature(self, stamp: str, canonical: str) -> str:
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join([ALGORITHM, stamp, self._scope(stamp), digest])
        key = f"AWS4{self.credentials.secret_key}".encode()
        for part in (stamp[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"


def _stamp(now: datetime | None) -> str:
    return (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")


# ── S3 ───────────────────────────────────────────────────────────────────────────────────────────


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; raises AwsFailed."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not BUCKET.fullmatch(bucket):
        raise AwsFailed("not an S3 URI of the form s3://bucket/key")
    return bucket, key


def below(uri: str, prefix: str) -> bool:
    """Whether an object lies under a prefix, neither of which may climb."""
    try:
        bucket, key = split_uri(uri)
        wanted, start = split_uri(prefix)
    except AwsFailed:
        return False
    climbs = ".." in key.split("/")
    return (
        not climbs
        and bucket == wanted
        and (not start or f"{key}/".startswith(start.rstrip("/") + "/"))
    )


def join(prefix: str, *names: str) -> str:
    return posixpath.join(prefix.rstrip("/"), *names)


class Storage:
    """S3, wherever it is."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def get(self, uri: str, *, max_bytes: int, seconds: float) -> bytes:
        """An object; raises TooLargeObject before more than `max_bytes` are held."""
        from lambent_inference.transport import TooMuch, TransferFailed

        try:
            with self.open("GET", uri, seconds=seconds) as answer:
                return answer.read(max_bytes)
        except TooMuch:
            raise TooLargeObject(f"{uri} is too large") from None
        except TransferFailed as error:
            raise AwsFailed(str(error)) from None

    def put(self, uri: str, body: bytes, content_type: str, *, seconds: float = 30.0) -> None:
        with self.open("PUT", uri, {"content-type": content_type}, body, seconds=seconds):
            pass

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        seconds: float,
    ) -> Iterator[Answer]:
        """Any call on one object, its answer unread; raises AwsFailed for a status of 300 and more."""
        url = self.url(uri)
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256
        signed = self._signer().headers(method, url, headers or {}, digest)
        with _asked(method, url, signed, body, seconds) as answer:
            yield answer

    def link(self, uri: str, seconds: int) -> str:
        """A URL under which anybody may read an object for so long."""
        return self._signer().presigned("GET", self.url(uri), seconds)

    def url(self, uri: str) -> str:
        bucket, key = split_uri(uri)
        path = quote(key, safe="/~")
        endpoint = self._environ.get("AWS_ENDPOINT_URL_S3") or self._environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            return f"{endpoint.rstrip('/')}/{bucket}/{path}"
        host = f"s3.{_region(self._environ)}.amazonaws.com"
        # A certificate for *.s3… does not cover a name with further dots.
        return (
            f"https://{host}/{bucket}/{path}"
            if "." in bucket
            else f"https://{bucket}.{host}/{path}"
        )

    def _signer(self) -> Signer:
        return Signer("s3", _region(self._environ), credentials(self._environ))


# ── SQS ──────────────────────────────────────────────────────────────────────────────────────────


class Queues:
    """SQS's JSON protocol; the queue's URL says where it is."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def send(self, queue_url: str, text: str, *, seconds: float = 15.0) -> None:
        split = urlsplit(queue_url)
        endpoint = self._environ.get("AWS_ENDPOINT_URL_SQS") or self._environ.get(
            "AWS_ENDPOINT_URL"
        )
        url = f"{endpoint.rstrip('/')}/" if endpoint else f"{split.scheme}://{split.netloc}/"
        found = re.fullmatch(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?", split.hostname or "")
        region = found[1] if found else _region(self._environ)
        body = json.dumps({"QueueUrl": queue_url, "MessageBody": text}).encode()
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": "AmazonSQS.SendMessage",
        }
        signer = Signer("sqs", region, credentials(self._environ))
        signed = signer.headers("POST", url, headers, hashlib.sha256(body).hexdigest())
        with _asked("POST", url, signed, body, seconds):
            pass


def _region(environ: Mapping[str, str]) -> str:
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@contextlib.contextmanager
def _asked(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
) -> Iterator[Answer]:
    from lambent_inference import transport

    try:
        with transport.exchange(
            method, urlsplit(url), headers=headers, body=body, seconds=seconds
        ) as answer:
            if answer.status >= 300:
                text = answer.read(1 << 14).decode("utf-8", "replace")
                code = re.search(r"<Code>(\w+)</Code>|\"__type\":\s*\"(?:[^\"]*#)?(\w+)\"", text)
                name = (code[1] or code[2]) if code else f"status {answer.status}"
                raise AwsFailed(f"{name} for {method} {urlsplit(url).path}", answer.status)
            yield answer
    except transport.TooMuch:
        raise
    except transport.TransferFailed as error:
        raise AwsFailed(str(error)) from None
