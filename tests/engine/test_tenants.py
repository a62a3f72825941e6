"""Tenants kept apart: who gets which environment, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from lambent.errors import InvalidParameterValue

COUNTER = """
calls = []
def handler(event, context):
    calls.append(context.tenant_id)
    return calls
"""


def test_an_environment_never_sees_two_tenants(engine):
    async def main(e):
        e.function(COUNTER, tenant_isolation=True)
        assert await e.answer(tenant_id="blue") == ["blue"]
        assert await e.answer(tenant_id="green") == ["green"]
        assert await e.answer(tenant_id="blue") == ["blue", "blue"]
        assert len(e.dispatcher.environments()) == 2

    engine(main)


def test_tenant_and_function_must_go_together(engine):
    async def main(e):
        e.function(COUNTER, name="shared")
        e.function(COUNTER, name="apart", tenant_isolation=True)
        with pytest.raises(InvalidParameterValue, match="is not enabled with tenancy"):
            await e.call(name="shared", tenant_id="blue")
        with pytest.raises(InvalidParameterValue, match="Add a valid tenant ID in your request"):
            await e.call(name="apart")
        with pytest.raises(InvalidParameterValue, match="Add a valid tenant ID in your request"):
            e.dispatcher.resolve("123456789012", "us-east-1", "apart", None)

    engine(main)


def test_an_update_retires_the_environments_of_every_tenant(engine):
    async def main(e):
        e.function(COUNTER, tenant_isolation=True)
        for tenant in ("blue", "green"):
            await e.answer(tenant_id=tenant)
        e.function("def handler(event, context):\n    return 'new'\n", tenant_isolation=True)
        for tenant in ("blue", "green"):
            assert await e.answer(tenant_id=tenant) == "new"

    engine(main)


def test_tenants_who_left_are_forgotten(engine):
    async def main(e):
        e.function(COUNTER, tenant_isolation=True)
        await e.answer(tenant_id="first")
        route = e.dispatcher.find("123456789012", "us-east-1", "f")
        while any(pool.environments for pool in route.pools.values()):
            await asyncio.sleep(0.05)
        await e.answer(tenant_id="second")
        assert len(route.pools) == 1

    engine(main, idle_s=0.1)
