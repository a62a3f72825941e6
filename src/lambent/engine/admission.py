"""How many calls may run at once, and who is told to come back later.

Two limits per account and region, as on AWS: functions with reserved concurrency draw from their
own reservation; all others share what is left. A lease is a pair of counters, not an object: the
dispatcher calls `admit` before a call and `release` after it, always. Starting environments is
limited apart from that: 1,000 per function every 10 s, without accrual.
(AWS Lambda developer guide, "Understanding Lambda function scaling".)
"""

from __future__ import annotations

from lambent.clock import Clock
from lambent.errors import TooManyRequests

RATE_EXCEEDED = "Rate Exceeded."
WINDOW_S = 10.0


class Account:
    """What the functions of one account and region share."""

    __slots__ = ("limit", "reserved", "unreserved_running")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.reserved = 0
        """Sum of all reservations, and of what is provisioned without one."""
        self.unreserved_running = 0

    @property
    def unreserved_limit(self) -> int:
        return self.limit - self.reserved


class Provisioned:
    """The part of its function's concurrency that one version has for itself.

    The dispatcher takes from here first (`running` below `limit`) and spills over to the function.
    """

    __slots__ = ("limit", "running")

    def __init__(self) -> None:
        self.limit = 0
        self.running = 0

    def release(self) -> None:
        self.running -= 1


class Concurrency:
    """One function's running calls, reservation and start rate."""

    __slots__ = (
        "_account", "_clock", "_rate", "_tokens", "_tokens_at", "provisioned", "reserved", "running"
    )  # fmt: skip

    def __init__(self, account: Account, clock: Clock, rate: int) -> None:
        self._account = account
        self._clock = clock
        self._rate = rate
        self._tokens = float(rate)
        self._tokens_at = clock.monotonic()
        self.reserved: int | None = None
        self.provisioned = 0
        """What versions have for themselves: out of the reservation, or else of the account."""
        self.running = 0
        """Calls on demand; those that run provisioned are counted there."""

    def reserve(self, reserved: int | None) -> None:
        """Change the reservation; calls that run already keep running and move to the new side."""
        account, before = self._account, self._set_aside()
        if (self.reserved is None) != (reserved is None):
            account.unreserved_running += self.running if reserved is None else -self.running
        self.reserved = reserved
        account.reserved += self._set_aside() - before

    def provide(self, provisioned: int) -> None:
        """Change what all versions together have provisioned."""
        before = self._set_aside()
        self.provisioned = provisioned
        self._account.reserved += self._set_aside() - before

    def _set_aside(self) -> int:
        """What no other function can have."""
        return self.provisioned if self.reserved is None else self.reserved

    def admit(self) -> None:
        """Take a lease, or raise TooManyRequestsException with AWS's reason."""
        if self.reserved is None:
            account = self._account
            if account.unreserved_running >= account.limit - account.reserved:
                raise TooManyRequests(RATE_EXCEEDED, reason="ConcurrentInvocationLimitExceeded")
            account.unreserved_running += 1
        elif self.running >= self.reserved - self.provisioned:
            raise TooManyRequests(
                RATE_EXCEEDED, reason="ReservedFunctionConcurrentInvocationLimitExceeded"
            )
        self.running += 1

    def release(self) -> None:
        self.running -= 1
        if self.reserved is None:
            self._account.unreserved_running -= 1

    def admit_start(self) -> None:
        """Leave to start one environment, or TooManyRequestsException: scaling is too fast."""
        now = self._clock.monotonic()
        refill = (now - self._tokens_at) * self._rate / WINDOW_S
        self._tokens = min(float(self._rate), self._tokens + refill)
        self._tokens_at = now
        if self._tokens < 1:
            reason = (
                "ConcurrentInvocationLimitExceeded"
                if self.reserved is None
                else "ReservedFunctionConcurrentInvocationLimitExceeded"
            )
            raise TooManyRequests(RATE_EXCEEDED, reason=reason, retry_after_s=1)
        self._tokens -= 1


class Admission:
    """The accounts of this server."""

    def __init__(self, clock: Clock, *, limit: int, rate: int) -> None:
        self._clock = clock
        self._limit = limit
        self._rate = rate
        self._accounts: dict[tuple[str, str], Account] = {}

    def account(self, account: str, region: str) -> Account:
        key = (account, region)
        found = self._accounts.get(key)
        if found is None:
            found = self._accounts[key] = Account(self._limit)
        return found

    def function(self, account: str, region: str) -> Concurrency:
        """Counters for a new function."""
        return Concurrency(self.account(account, region), self._clock, self._rate)
