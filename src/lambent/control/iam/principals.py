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

    def include(self, principal: Principal) -> bool:
        found = any(
            self._is(kind, name, principal) for kind, names in self.kinds.items() for name in names
        )
        return found is not self.negated

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
