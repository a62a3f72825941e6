"""Tenants kept apart: which pool serves a tenant of a function with TenancyConfig PER_TENANT.

Each tenant has a pool of its own, so no environment ever sees two (AWS Lambda developer guide,
"Tenant isolation"). Functions without it take no tenant, as on AWS. The dispatcher comes here
only for calls with a tenant or to such functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lambent.control.targets import VersionTarget
from lambent.errors import InvalidParameterValue

if TYPE_CHECKING:
    from lambent.engine.pool import Pool

_SEPARATOR: Final = "\0"
"""No version and no tenant can hold it."""


def pool_key(target: VersionTarget, tenant_id: str) -> str:
    """The key of the tenant's pool; raises when tenant and function do not go together."""
    if not tenant_id:
        raise InvalidParameterValue(
            "The invoked function is enabled with tenancy configuration. "
            "Add a valid tenant ID in your request and try again."
        )
    if not target.tenant_isolation:
        raise InvalidParameterValue(
            "The invoked function is not enabled with tenancy configuration. "
            "Remove the tenant ID from your request and try again."
        )
    return f"{target.version}{_SEPARATOR}{tenant_id}"


def forget_absent(pools: dict[str, Pool]) -> None:
    """Drop the pools of tenants who have no environment and wait for none: they come and go."""
    absent = [
        key
        for key, pool in pools.items()
        if _SEPARATOR in key and not pool.environments and not pool.waiting
    ]
    for key in absent:
        del pools[key]
