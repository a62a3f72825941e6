"""From an access key, and a session's token, to the secret and to who that is.

Three kinds: keys of `auth_keys`, which may do everything; keys of users in `iam_file`; and session
keys issued here for functions, which carry all that is needed in their token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lambent.clock import Clock
from lambent.control.iam.evaluate import Applicable, evaluate
from lambent.control.iam.identities import Grants, Identities, Role
from lambent.control.iam.query import Principal, Query
from lambent.control.iam.sessions import Session, Sessions
from lambent.errors import AccessDenied, ExpiredToken, UnrecognizedClient

NOBODY: Final = Identities({}, {})
INVALID: Final = "The security token included in the request is invalid."
EXPIRED: Final = "The security token included in the request is expired"
LAMBDA: Final = Principal(service="lambda.amazonaws.com")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed."""

    principal: Principal
    kind: str
    """As CloudTrail's `userIdentity.type`: `Root`, `IAMUser`, `AssumedRole`."""
    name: str = ""
    """A user's, or a role session's."""
    grants: Grants | None = None
    """None: everything is allowed."""
    organization: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that this server knows."""

    secret: str = field(repr=False)
    caller: Caller | None
    """None for keys of `auth_keys`, whose account its credential scope decides."""


class KeyRing:
    """All keys of a server."""

    def __init__(
        self,
        auth_keys: Mapping[str, str],
        identities: Identities = NOBODY,
        sessions: Sessions | None = None,
        clock: Clock | None = None,
        made: Callable[[str], Role | None] = lambda _: None,
    ) -> None:
        """`made` finds roles by ARN that no file holds."""
        self._made = made
        self.identities = identities
        self._sessions = sessions
        self._clock = clock
        self._keys = {key: Key(secret, None) for key, secret in auth_keys.items()}
        for user in identities.users.values():
            caller = Caller(
                Principal(user.arn, user.account),
                "IAMUser",
                user.name,
                user.grants,
                identities.organization,
            )
            for key, secret in user.keys.items():
                self._keys.setdefault(key, Key(secret, caller))

    def find(self, access_key: str, token: str | None) -> Key:
        """Raises `UnrecognizedClient` or `ExpiredToken`."""
        known = self._keys.get(access_key)
        if known is not None:
            if token and known.caller is not None:  # a long-term key has no token
                raise UnrecognizedClient(INVALID)
            return known
        if token is None or self._sessions is None or self._clock is None:
            raise UnrecognizedClient(INVALID)
        found = self._sessions.read(access_key, token)
        if found is None:
            raise UnrecognizedClient(INVALID)
        session, secret = found
        if session.ends_ms <= self._clock.time_ms():
            raise ExpiredToken(EXPIRED)
        return Key(secret, self.session_caller(session))

    def holder(self, access_key: str, token: str) -> Caller | None:
        """Whose session a token is, ended or not; None for what was not sealed here."""
        found = None if self._sessions is None else self._sessions.read(access_key, token)
        return None if found is None else self.session_caller(found[0])

    def secret_of(self, access_key: str) -> str | None:
        """Of a long-term key."""
        known = self._keys.get(access_key)
        return None if known is None else known.secret

    def session_caller(self, session: Session) -> Caller:
        """A role that nobody knows has no policies of its own."""
        role = self._role(session.role_arn)
        account, name = session.role_arn.split(":")[4], session.role_arn.rsplit("/", 1)[-1]
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session.name}"
        return Caller(
            Principal(arn, account, session.role_arn),
            "AssumedRole",
            session.name,
            Grants() if role is None else role.grants,
            self.identities.organization if role is not None else "",
        )

    def _role(self, arn: str) -> Role | None:
        """Of the file, else one that was made through the API."""
        return self.identities.roles.get(arn) or self._made(arn)

    def check_trust(self, role_arn: str) -> None:
        """Raises `AccessDenied` for a known role that does not let Lambda assume it."""
        role = self._role(role_arn)
        if role is None or role.trust is None or _trusts(role):
            return
        raise AccessDenied("The role defined for the function cannot be assumed by Lambda.")


def _trusts(role: Role) -> bool:
    assert role.trust is not None
    query = Query(LAMBDA, "sts:AssumeRole", role.arn, {})
    return evaluate(query, Applicable(resource=[role.trust])).allowed
