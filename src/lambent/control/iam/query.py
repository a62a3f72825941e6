"""What policies are asked: may this principal do that to this resource, in this context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Context = Mapping[str, Sequence[str]]
"""Condition keys in lower case, with their values as text; a key that is absent is not there."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    arn: str = ""
    """`arn:aws:iam::123456789012:user/x` or a role session's STS ARN; empty for nobody known."""
    account: str = ""
    role_arn: str = ""
    """Of a role session: the role's own ARN, which policies may also name."""
    service: str = ""
    """`s3.amazonaws.com` when an AWS service asks."""

    @property
    def anonymous(self) -> bool:
        return not (self.arn or self.service)


@dataclass(frozen=True, slots=True)
class Query:
    """One request as policies see it."""

    principal: Principal
    action: str
    """`lambda:InvokeFunction`."""
    resource: str
    """An ARN, or `*` for actions that have none."""
    context: Context = field(default_factory=dict)
