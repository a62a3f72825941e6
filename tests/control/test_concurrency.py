"""Reserved concurrency and the account's limits."""

from __future__ import annotations

import asyncio

import pytest

from lambent.errors import InvalidParameterValue, ResourceNotFound, UntypedInvalidParameterValue

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


async def put(w, value, name="fn"):
    return await w.do(
        "PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=value
    )


def test_put_get_delete(world):
    async def main(w):
        await w.create()
        assert await w.do("GetFunctionConcurrency", FunctionName="fn") == {}
        revision = (await w.get())["RevisionId"]
        for value in (5, 0):
            assert await put(w, value) == {"ReservedConcurrentExecutions": value}
            assert await w.do("GetFunctionConcurrency", FunctionName="fn") == {
                "ReservedConcurrentExecutions": value
            }
            got = await w.do("GetFunction", FunctionName="fn")
            assert got["Concurrency"] == {"ReservedConcurrentExecutions": value}
            assert w.listener.targets[*w.SCOPE, "fn"].reserved_concurrency == value
        await w.do("DeleteFunctionConcurrency", FunctionName="fn")
        assert w.listener.targets[*w.SCOPE, "fn"].reserved_concurrency is None
        await w.do("DeleteFunctionConcurrency", FunctionName="fn")
        assert (await w.get())["RevisionId"] == revision

    world(main)


def test_a_hundred_stay_unreserved(world):
    text = (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )

    async def main(w):
        await w.create("a")
        await w.create("b")
        await put(w, 900, "a")
        with pytest.raises(UntypedInvalidParameterValue) as raised:
            await put(w, 1, "b")
        assert raised.value.message == text
        await put(w, 0, "b")
        with pytest.raises(UntypedInvalidParameterValue):
            await put(w, 901, "a")
        await put(w, 899, "a")  # its own old reservation does not count against it
        await put(w, 1, "b")
        settings = await w.account()
        assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 100

    world(main)


def test_two_at_once_cannot_both_take_the_rest(world):
    async def main(w):
        names = [f"f{n}" for n in range(6)]
        for name in names:
            await w.create(name)
        done = await asyncio.gather(*(put(w, 300, n) for n in names), return_exceptions=True)
        assert sum(isinstance(answer, dict) for answer in done) == 3

    world(main)


def test_refusals(world):
    async def main(w):
        with pytest.raises(ResourceNotFound) as raised:
            await put(w, 1)
        assert raised.value.message == f"Function not found: {ARN}:$LATEST"
        for operation in ("GetFunctionConcurrency", "DeleteFunctionConcurrency"):
            with pytest.raises(ResourceNotFound) as raised:
                await w.do(operation, FunctionName="fn")
            assert raised.value.message == f"Function not found: {ARN}"
        with pytest.raises(InvalidParameterValue) as raised:
            await put(w, 1, "fn:1")
        assert raised.value.message == (
            "This operation is permitted on Lambda functions only. Aliases and versions do not "
            "support this operation. Please specify either a function name or an unqualified "
            "function ARN."
        )

    world(main)


def test_account_settings(world):
    async def main(w):
        assert await w.account() == {
            "AccountLimit": {
                "TotalCodeSize": 80530636800,
                "CodeSizeUnzipped": 262144000,
                "CodeSizeZipped": 52428800,
                "ConcurrentExecutions": 1000,
                "UnreservedConcurrentExecutions": 1000,
            },
            "AccountUsage": {"TotalCodeSize": 0, "FunctionCount": 0},
        }
        size = (await w.create("a", Publish=True))["CodeSize"]
        await w.create("b")
        assert (await w.account())["AccountUsage"] == {
            "TotalCodeSize": 3 * size,
            "FunctionCount": 2,
        }

    world(main)
