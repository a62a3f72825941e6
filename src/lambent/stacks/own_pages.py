"""Calls to this server's own pages beside AWS's API: a stack's gateways are put through them.

Signed as the stack's calls to Lambda are, so that what a stack may do is what its maker may.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import msgspec

from lambent.stacks.errors import ResourceError

_ASK_S: Final = 60


def ask(
    client: Any, cert: Path | None, method: str, path: str, document: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The page's answer; `client` is a Lambda client, for its address and credentials.

    Raises `ResourceError` in the page's words.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    body = None if document is None else msgspec.json.encode(document)
    url = client.meta.endpoint_url + path
    request = AWSRequest(method, url, data=body)
    credentials = client._request_signer._credentials  # noqa: SLF001  it has no other name for them
    SigV4Auth(credentials, "lambda", client.meta.region_name).add_auth(request)
    sent = urllib.request.Request(url, body, dict(request.headers), method=method)  # noqa: S310  our own address
    handlers: list[Any] = [urllib.request.ProxyHandler({})]
    if cert is not None:
        context = ssl.create_default_context(cafile=str(cert))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(sent, timeout=_ASK_S) as answer:
            found: dict[str, Any] = msgspec.json.decode(answer.read())
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise ResourceError(_said(error.read()) or str(error)) from error
    except OSError as error:
        raise ResourceError(f"this server did not answer itself: {error}") from error


def _said(body: bytes) -> str:
    try:
        facts = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    return str(facts.get("message") or facts.get("Message") or "")
