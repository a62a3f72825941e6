"""Who may use a URL: the seam between the gateway and whoever judges signatures and policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lambent.gateway.urls import UrlTarget
from lambent.http.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is let in, as the event shows it."""

    account: str = "anonymous"
    authorizer: Mapping[str, Any] | None = field(default=None)
    """`{"iam": {…}}` of a caller who signed."""


class Refusal(Exception):  # noqa: N818  what it is: an answer, not a mishap
    """An answer of the gateway's own, which the function never sees."""

    def __init__(self, status: int, error_type: str, message: str | None) -> None:
        super().__init__(message or error_type)
        self.status = status
        self.error_type = error_type
        self.message = message


FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


def forbidden() -> Refusal:
    """What AWS says to whoever may not, and of a URL that was deleted (LAMBDA.md 62)."""
    return Refusal(403, "AccessDeniedException", FORBIDDEN)


class Gate(Protocol):
    """Judges a request to a function URL; both raise `Refusal`."""

    def admit_head(self, exchange: Exchange, target: UrlTarget) -> None:
        """Before the body is read: what can be refused by the head alone."""
        ...

    def admit(self, exchange: Exchange, target: UrlTarget, body: bytes) -> Visitor: ...
