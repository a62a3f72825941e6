"""How long idle environments are kept, and what is recorded for a policy that learns."""

from __future__ import annotations

import asyncio

from lambent.engine.keep_alive import Arrivals, FixedKeepAlive


def test_gaps_are_counted_by_length():
    arrivals = Arrivals()
    for moment in (100.0, 100.5, 101.5, 108.0, 20_000.0):
        arrivals.came(moment)
    counted = {bound: n for bound, n in arrivals.histogram().items() if n}
    assert counted == {1.0: 2, 10.0: 1, float("inf"): 1}


def test_each_version_has_its_own_and_keeps_it_over_an_update(engine):
    async def scenario(e):
        e.function("def handler(event, context):\n    return 1\n")
        for _ in range(3):
            await e.answer()
        e.function("def handler(event, context):\n    return 2\n")
        await e.answer()
        route = e.dispatcher.find("123456789012", "us-east-1", "f")
        assert sum(route.arrivals["$LATEST"].counts) == 3

    engine(scenario)


def test_a_policy_decides_by_version(engine):
    class Short(FixedKeepAlive):
        def idle_s(self, arrivals):
            return 0.1 if sum(arrivals.counts) else super().idle_s(arrivals)

    async def scenario(e):
        e.function("def handler(event, context):\n    return 1\n", "often")
        e.function("def handler(event, context):\n    return 1\n", "once")
        await e.answer(name="often")
        await e.answer(name="often")
        await e.answer(name="once")
        async with asyncio.timeout(30):
            while len(e.dispatcher.environments()) > 1:
                await asyncio.sleep(0.05)
        (kept,) = e.dispatcher.environments()
        assert kept.target.function_name == "once"

    engine(scenario, keep_alive=Short(600.0))
