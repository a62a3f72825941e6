"""The Principal element: whom a resource's policy speaks of.

An account number and its root ARN mean everybody of that account whom its own policies let; a role
means all of its sessions; `*` everybody, signed or not. (AWS IAM user guide, "AWS JSON policy
elements: Principal".)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lambent.control.iam.query import Principal

_ACCOUNT: Final = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?")


@dataclass(frozen=True, slots=True)
class Principals:
    """By kind (`AWS`, `Service`, …), or all but those."""

    kinds: Mapping[str, Sequence[str]]
    negated: bool = False

    def include(self, principal: Principal, *, denying: bool = False) -> bool:
        if self.negated and denying:
            return not self._spare(principal)
        found = any(
            self._is(kind, name, principal) for kind, names in self.kinds.items() for name in names
        )
        return found is not self.negated

    def _spare(self, principal: Principal) -> bool:
        """Whether a Deny of all others leaves this one out.

        AWS wants everything named that the caller is: a user and its account; a role session, its
        role and the account. ("AWS JSON policy elements: NotPrincipal".)
        """
        if principal.service:
            return principal.service in self.kinds.get("Service", ())
        named = set(self.kinds.get("AWS", ()))
        accounts = {found[1] for name in named if (found := _ACCOUNT.fullmatch(name))}
        own = {principal.arn, principal.role_arn} - {""}
        is_account = _ACCOUNT.fullmatch(principal.arn) is not None
        return bool(own) and principal.account in accounts and (is_account or own <= named)

    def name(self, principal: Principal) -> bool:
        """Whether the very user or role session is named: then no boundary of its role counts."""
        named = self.kinds.get("AWS", ())
        return not self.negated and bool(principal.arn) and principal.arn in named

    def delegate(self, principal: Principal) -> bool:
        """Whether only the caller's account is meant, whose own policies then decide."""
        if self.negated:
            return False
        names = [name for name in self.kinds.get("AWS", ()) if self._is("AWS", name, principal)]
        return bool(names) and all(_ACCOUNT.fullmatch(name) for name in names)

    @staticmethod
    def _is(kind: str, name: str, principal: Principal) -> bool:
        if name == "*":
            return kind in ("AWS", "*") or (kind == "Service" and bool(principal.service))
        if kind == "Service":
            return name == principal.service
        if kind != "AWS" or not principal.arn:
            return False
        if account := _ACCOUNT.fullmatch(name):
            return account[1] == principal.account
        return name in (principal.arn, principal.role_arn)
