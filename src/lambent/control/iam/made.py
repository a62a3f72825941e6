"""Roles and policies that were made through IAM's API, by scripts, stacks and Terraform.

They are kept here where the settings name no IAM, and decide what functions may do as those of
`iam_file` do, which stand above them. AWS's own managed policies can be attached; what they would
allow is not known here, and so nothing. `api/iam` speaks the protocol, `keyring` asks `role`.
(AWS IAM API reference.)
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from lambent.clock import Clock
from lambent.control.iam import document
from lambent.control.iam.document import MalformedPolicy, Policy
from lambent.control.iam.identities import Grants, Role, identity_policy
from lambent.control.names import Scope
from lambent.control.shelf import Shelf
from lambent.errors import IamError
from lambent.store.database import Database

T = TypeVar("T")

_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_POLICY_NAME: Final = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_PATH: Final = re.compile(r"/(?:[!-~]+/)?")
_LETTERS: Final = string.ascii_uppercase + string.digits


class MadeRole(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    path: str
    arn: str
    role_id: str
    created_ms: int
    trust: str
    """JSON, as it came; so are the inline policies."""
    description: str = ""
    longest_session_s: int = 3600
    inline: dict[str, str] = {}
    attached: list[str] = []
    """ARNs of managed policies."""
    boundary: str = ""
    tags: dict[str, str] = {}


class MadePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A managed policy; it has the one version v1."""

    name: str
    path: str
    arn: str
    policy_id: str
    created_ms: int
    text: str
    description: str = ""


class MadeIdentities:
    """All roles and policies of a server that no file holds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._roles = Shelf(database, "iam-role", MadeRole)
        self._policies = Shelf(database, "iam-policy", MadePolicy)
        self._read: dict[str, Role] = {}
        """By ARN, until anything changes."""
        self.on_change: Callable[[], None] = lambda: None

    async def open(self) -> None:
        await self._roles.open()
        await self._policies.open()

    async def close(self) -> None:
        await self._roles.close()
        await self._policies.close()

    def role(self, arn: str) -> Role | None:
        """For whoever judges what it may do."""
        if arn in self._read:
            return self._read[arn]
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        made = self._roles.get(_scope(account), name)
        if made is None or made.arn != arn:
            return None
        known = [self._text(account, one) for one in made.attached]
        policies = [identity_policy(f"policy {n} of {name}", t) for n, t in made.inline.items()]
        policies += [identity_policy("an attached policy", text) for text in known if text]
        bounds: tuple[Policy, ...] = ()
        if made.boundary:
            # A boundary that nobody knows allows nothing.
            text = self._text(account, made.boundary) or '{"Statement": []}'
            bounds = (identity_policy("a boundary", text),)
        trust = document.read(f"the trust policy of role {name}", made.trust)
        found = self._read[arn] = Role(name, account, Grants(tuple(policies), bounds), trust)
        return found

    def _text(self, account: str, arn: str) -> str:
        made = self._policies.get(_scope(account), arn.rpartition("/")[2])
        return made.text if made is not None and made.arn == arn else ""

    # ── roles ────────────────────────────────────────────────────────────────────────────────

    def get(self, account: str, name: str) -> MadeRole:
        found = self._roles.get(_scope(account), name)
        if found is None:
            raise _missing("role", name)
        return found

    def roles(self, account: str) -> list[MadeRole]:
        return sorted(self._roles.all(_scope(account)), key=lambda one: one.name)

    async def create(
        self, account: str, name: str, path: str, trust: str, *, description: str,
        longest_session_s: int, boundary: str, tags: Mapping[str, str],
    ) -> MadeRole:  # fmt: skip
        _check(_NAME, "roleName", name)
        _check(_PATH, "path", path)
        _trust(trust)
        made = MadeRole(
            name=name, path=path, arn=f"arn:aws:iam::{account}:role{path}{name}",
            role_id=_unique("AROA"), created_ms=self._clock.time_ms(), trust=trust,
            description=description, longest_session_s=longest_session_s, boundary=boundary,
            tags=dict(tags),
        )  # fmt: skip

        def rule(old: MadeRole | None) -> tuple[MadeRole, MadeRole]:
            if old is not None:
                raise IamError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
            return made, made

        return await self._changed(self._roles.change(_scope(account), name, rule))

    async def change(
        self, account: str, name: str, how: Callable[[MadeRole], MadeRole | None]
    ) -> None:
        """`how` gives the role as it shall be, None to delete it."""

        def rule(old: MadeRole | None) -> tuple[MadeRole | None, None]:
            if old is None:
                raise _missing("role", name)
            return how(old), None

        await self._changed(self._roles.change(_scope(account), name, rule))

    async def _changed(self, change: object) -> T:
        found: T = await change  # type: ignore[misc]
        self._read.clear()
        self.on_change()
        return found

    # ── policies ─────────────────────────────────────────────────────────────────────────────

    def policy(self, account: str, arn: str) -> MadePolicy:
        found = self._policies.get(_scope(account), arn.rpartition("/")[2])
        if found is None or found.arn != arn:
            raise IamError("NoSuchEntity", f"Policy {arn} was not found.", 404)
        return found

    def policies(self, account: str) -> list[MadePolicy]:
        return sorted(self._policies.all(_scope(account)), key=lambda one: one.name)

    def check_attachable(self, account: str, arn: str) -> None:
        """AWS's own may be attached, known here or not."""
        if not re.match(r"arn:aws[a-z-]*:iam::aws:policy/", arn):
            self.policy(account, arn)

    async def create_policy(
        self, account: str, name: str, path: str, text: str, description: str
    ) -> MadePolicy:
        _check(_POLICY_NAME, "policyName", name)
        _check(_PATH, "path", path)
        permissions(text)
        made = MadePolicy(
            name=name, path=path, arn=f"arn:aws:iam::{account}:policy{path}{name}",
            policy_id=_unique("ANPA"), created_ms=self._clock.time_ms(), text=text,
            description=description,
        )  # fmt: skip

        def rule(old: MadePolicy | None) -> tuple[MadePolicy, MadePolicy]:
            if old is not None:
                raise IamError(
                    "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed.", 409
                )  # fmt: skip
            return made, made

        return await self._changed(self._policies.change(_scope(account), name, rule))

    async def delete_policy(self, account: str, arn: str) -> None:
        self.policy(account, arn)
        if any(arn in one.attached for one in self.roles(account)):
            raise IamError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
        name = arn.rpartition("/")[2]
        await self._changed(self._policies.change(_scope(account), name, lambda _: (None, None)))


def permissions(text: str) -> Policy:
    """A permissions policy; raises `IamError` for what is none."""
    try:
        return identity_policy("the policy", text)
    except MalformedPolicy as error:
        raise IamError("MalformedPolicyDocument", str(error), 400) from None


def _trust(text: str) -> None:
    try:
        document.read("the trust policy", text)
    except MalformedPolicy as error:
        raise IamError("MalformedPolicyDocument", str(error), 400) from None


def check_trust(text: str) -> str:
    """`text`, if it is a trust policy; raises `IamError`."""
    _trust(text)
    return text


def _missing(what: str, name: str) -> IamError:
    return IamError("NoSuchEntity", f"The {what} with name {name} cannot be found.", 404)


def _check(pattern: re.Pattern[str], member: str, value: str) -> None:
    if not pattern.fullmatch(value):
        raise IamError(
            "ValidationError",
            f"The specified value for {member} is invalid. It must match {pattern.pattern}",
            400,
        )


def _unique(prefix: str) -> str:
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(17))


def _scope(account: str) -> Scope:
    """IAM knows no regions."""
    return Scope(account, "")
