"""GetAccountSettings: the account's limits, and what is used of them."""

from __future__ import annotations

from lambent.control import answers, concurrency
from lambent.control.layers import TOTAL_CODE_LIMIT, Layers
from lambent.control.names import Scope
from lambent.control.registry import Registry
from lambent.store.unpack import UNZIPPED_LIMIT


class AccountSettings:
    """One account in one region."""

    def __init__(self, registry: Registry, layers: Layers, limit: int, zipped_limit: int) -> None:
        self._registry = registry
        self._layers = layers
        self._limit = limit
        self._zipped_limit = zipped_limit

    async def get(self, scope: Scope) -> answers.AccountAnswer:
        bundles = list(self._registry.all(scope))
        return answers.AccountAnswer(
            account_limit={
                "TotalCodeSize": TOTAL_CODE_LIMIT,
                "CodeSizeUnzipped": UNZIPPED_LIMIT,
                "CodeSizeZipped": self._zipped_limit,
                "ConcurrentExecutions": self._limit,
                "UnreservedConcurrentExecutions": (
                    self._limit - concurrency.set_aside(self._registry, scope)
                ),
            },
            account_usage={
                "TotalCodeSize": self._layers.storage_used(scope),
                "FunctionCount": len(bundles),
            },
        )
