"""The event of an Application Load Balancer's target group.

Query parameters stay encoded; a target group has headers and parameters with one value each (the
last) or, as `multi_value`, with all of them. (Elastic Load Balancing user guide, "Lambda
functions as targets".)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from lambent.gateway.request import HttpRequest, body_text, grouped


@dataclass(frozen=True, slots=True)
class TargetGroup:
    arn: str
    multi_value: bool = False


def event_alb(request: HttpRequest, group: TargetGroup) -> bytes:
    """The event as JSON."""
    pairs = [item.partition("=")[::2] for item in request.query.split("&") if item]
    body, is_base64 = body_text(request)
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": group.arn}},
        "httpMethod": request.method,
        "path": request.path,
    }
    if group.multi_value:
        event["multiValueQueryStringParameters"] = grouped(pairs)
        event["multiValueHeaders"] = grouped(request.fields)
    else:
        event["queryStringParameters"] = dict(pairs)
        event["headers"] = dict(request.fields)
    event |= {"body": body or "", "isBase64Encoded": is_base64}
    return msgspec.json.encode(event)
