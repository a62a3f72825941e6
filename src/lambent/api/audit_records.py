"""What the audit trail says of a call: CloudTrail's record, as far as it means something here.

Who, what, with which parameters, and what came of it. Parameters that the model calls sensitive
(environment variables, payloads, code), and whatever else may hold a secret, are named but not
shown. (AWS CloudTrail user guide, "CloudTrail record contents".)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from lambent.api import actions
from lambent.api.access import Denied
from lambent.api.credentials import Identity
from lambent.api.errors import as_aws_error
from lambent.api.model import Shape
from lambent.clock import Clock, iso8601, new_uuid
from lambent.control.iam.keyring import Caller, KeyRing
from lambent.control.names import Scope
from lambent.errors import InvalidSignature, LambentError
from lambent.http.exchange import Exchange
from lambent.observe.audit import AuditTrail, Record

HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""AWS's word."""
_SECRET: Final = frozenset(
    {"TemplateBody", "ParameterValue", "logEvents", "Environment", "EventSourceToken"}
)
"""Members that may hold secrets, though no model says so."""
_LONGEST: Final = 1024
_READS: Final = ("Get", "List", "Describe", "Filter", "Validate", "Test", "StartLiveTail")


class Auditor:
    """Makes records and appends them. None of its methods raises or waits."""

    def __init__(self, trail: AuditTrail, keys: KeyRing, clock: Clock, *, invokes: bool) -> None:
        self.trail = trail
        self.invokes = invokes
        """Whether Invoke is recorded, too."""
        self._keys = keys
        self._clock = clock

    def call(
        self,
        exchange: Exchange,
        request_id: str,
        identity: Identity,
        caller: Caller | None,
        call: tuple[str, str],
        values: Mapping[str, Any],
        shape: Shape | None,
        error: LambentError | None,
    ) -> None:
        """`call` is service and operation; `values` may be empty where nothing could be read."""
        service, operation = call
        get, now_ms = exchange.headers.get, self._clock.time_ms()
        agent, token = get(b"user-agent") or b"", get(b"x-amz-security-token")
        peer, secure = exchange.peer, exchange.secure

        def make() -> Record:
            scope = Scope(identity.account, identity.region)
            failed = isinstance(error, InvalidSignature)
            record: dict[str, Any] = {
                "eventVersion": "1.11",
                "userIdentity": self._who(identity, None if failed else caller, token),
                "eventTime": iso8601(now_ms, offset="Z"),
                "eventSource": f"{service}.amazonaws.com",
                "eventName": operation,
                "awsRegion": identity.region,
                "sourceIPAddress": peer,
                "userAgent": agent.decode("latin-1")[:_LONGEST],
                "requestParameters": _shown(values, shape) or None,
                "responseElements": None,
                "requestID": request_id,
                "eventID": new_uuid(),
                "readOnly": operation.startswith(_READS),
                "eventType": "AwsApiCall",
                "managementEvent": not operation.startswith("Invoke"),
                "recipientAccountId": identity.account,
                "eventCategory": "Data" if operation.startswith("Invoke") else "Management",
                "tls": secure,
                "action": actions.action(service, operation),
                "resources": [{"ARN": actions.resource(service, scope, operation, values)}],
            }
            if error is not None:
                aws = as_aws_error(error)
                record["errorCode"] = aws.code
                record["errorMessage"] = (aws.message or "")[:_LONGEST]
            if isinstance(error, Denied):
                decision = error.decision
                record["decision"] = {
                    "why": decision.why,
                    "policy": decision.policy,
                    "sid": decision.sid,
                }
            return record

        self.trail.append(make)

    def _who(
        self, identity: Identity, caller: Caller | None, token: bytes | None
    ) -> dict[str, Any]:
        """`Unverified` is who only says so: `auth = "any"`, or a signature that was wrong."""
        who: dict[str, Any] = {"accountId": identity.account, "accessKeyId": identity.access_key}
        if caller is None and token is not None:
            # Sealed here, so that the session is real even where nobody checks signatures.
            caller = self._keys.holder(identity.access_key, token.decode("latin-1"))
        if caller is None:
            return {"type": "Unverified", **who}
        who["accountId"] = caller.principal.account  # not whose function it is
        who = {"type": caller.kind, "arn": caller.principal.arn, **who}
        if caller.kind == "IAMUser":
            who["userName"] = caller.name
        if caller.kind == "AssumedRole":
            issuer = {"type": "Role", "arn": caller.principal.role_arn}
            who["sessionContext"] = {"sessionIssuer": issuer}
        return who


def _shown(value: Any, shape: Shape | None) -> Any:
    if shape is not None and shape.sensitive:
        return HIDDEN
    if isinstance(value, Mapping):
        members = shape.members if shape is not None else {}
        below = shape.element if shape is not None else None
        return {
            key: HIDDEN
            if key in _SECRET
            else _shown(one, members[key].shape if key in members else below)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_shown(one, shape.element if shape is not None else None) for one in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return HIDDEN
    if isinstance(value, datetime):
        return value.isoformat()
    return value[:_LONGEST] if isinstance(value, str) else value
