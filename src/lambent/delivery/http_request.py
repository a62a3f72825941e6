"""An HTTP request as it stands, to a function URL or a gateway: no redirects, every status an answer."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from lambent.delivery.http_event import Request, Response
from lambent.delivery.problem import Problem

_WAIT_S = 910.0
"""The longest that a function runs, and a little."""
_REQUEST_IDS = ("x-amzn-requestid", "apigw-requestid")


def send(base: str, request: Request) -> tuple[Response, str]:
    """The answer to `request` below the address `base`, and its request id, if it has one."""
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_WAIT_S)
    try:
        connection.putrequest(
            request.method, parts.path.rstrip("/") + request.target, skip_accept_encoding=True
        )
        for name, value in request.headers:
            connection.putheader(name, value)
        if request.body is not None:
            connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Problem(
            "SERVER_UNREACHABLE", f"nothing answers at {base}", why=str(error), fix="lambent status"
        ) from None
    finally:
        connection.close()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    headers.pop("set-cookie", None)
    cookies = tuple(answer.headers.get_all("set-cookie") or ())
    request_id = next((headers[name] for name in _REQUEST_IDS if name in headers), "")
    return Response(answer.status, headers, cookies, body), request_id
