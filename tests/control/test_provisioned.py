"""Provisioned concurrency: states, conflicts and messages (LAMBDA.md 49, 52–54)."""

from __future__ import annotations

import asyncio

import pytest

from lambent.control.targets import Allocation
from lambent.errors import (
    InvalidParameterValue,
    ProvisionedConcurrencyNotFound,
    ResourceConflict,
    ResourceNotFound,
    UntypedInvalidParameterValue,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


async def published(w, name="fn", versions=2):
    await w.create(name)
    for number in range(versions):
        code = {"ZipFile": w.make_zip(f"number = {number}\n")}
        await w.do("UpdateFunctionCode", FunctionName=name, **code)
        await w.settle()
        await w.do("PublishVersion", FunctionName=name)
        await w.settle()


async def alias(w, name, version, **more):
    await w.do("CreateAlias", FunctionName="fn", Name=name, FunctionVersion=version, **more)


async def put(w, qualifier, wanted, name="fn"):
    return await w.do(
        "PutProvisionedConcurrencyConfig",
        FunctionName=name,
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=wanted,
    )


async def get(w, qualifier):
    return await w.do("GetProvisionedConcurrencyConfig", FunctionName="fn", Qualifier=qualifier)


async def delete(w, qualifier):
    await w.do("DeleteProvisionedConcurrencyConfig", FunctionName="fn", Qualifier=qualifier)


def numbers(answer):
    return tuple(
        answer[f"{kind}ProvisionedConcurrentExecutions"]
        for kind in ("Available", "Allocated", "Requested")
    )


async def refused(error, work):
    with pytest.raises(error) as raised:
        await work
    assert type(raised.value) is error
    return raised.value.message


def test_from_put_to_ready_to_nothing(world):
    async def main(w):
        await published(w)
        w.listener.allocations["1"] = Allocation(0)
        answer = await put(w, "1", 3)
        assert numbers(answer) == (0, 0, 3)
        assert answer["Status"] == "IN_PROGRESS"
        w.listener.allocations["1"] = Allocation(2)
        answer = await get(w, "1")
        assert (numbers(answer), answer["Status"]) == ((2, 2, 3), "IN_PROGRESS")
        w.listener.allocations["1"] = Allocation(3)
        answer = await get(w, "1")
        assert (numbers(answer), answer["Status"]) == ((3, 3, 3), "READY")
        assert "StatusReason" not in answer
        assert answer["LastModified"].endswith("+0000")
        assert w.listener.targets[*w.SCOPE, "fn"].provisioned["1"].requested == 3
        await delete(w, "1")
        assert not w.listener.targets[*w.SCOPE, "fn"].provisioned
        text = await refused(ProvisionedConcurrencyNotFound, get(w, "1"))
        assert text == "No Provisioned Concurrency Config found for this function"
        await delete(w, "1")

    world(main)


def test_a_failed_init_is_told_with_its_reason(world):
    async def main(w):
        await published(w)
        w.listener.allocations["1"] = Allocation(0, "FUNCTION_ERROR_INIT_FAILURE")
        assert (await put(w, "1", 1))["Status"] == "IN_PROGRESS"
        answer = await get(w, "1")
        assert answer["Status"] == "FAILED"
        assert answer["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
        assert numbers(answer) == (0, 0, 1)

    world(main)


def test_a_configuration_survives_a_restart(world):
    async def first(w):
        await published(w)
        await put(w, "1", 2)

    async def second(w):
        assert numbers(await get(w, "1")) == (2, 2, 2)

    world(first)
    world(second)


def test_what_cannot_be_provisioned(world):
    async def main(w):
        text = await refused(ResourceNotFound, put(w, "1", 1))
        assert text == f"Function not found: {ARN}:1"
        await published(w)
        text = await refused(InvalidParameterValue, put(w, "$LATEST", 1))
        assert text == (
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
        for work in (get(w, "$LATEST"), delete(w, "$LATEST")):
            assert await refused(InvalidParameterValue, work) == (
                "The function resource provided must be an alias or a published version."
            )
        for work in (put(w, "9", 1), get(w, "9"), delete(w, "9")):
            assert await refused(ResourceNotFound, work) == f"Function not found: {ARN}:9"
        text = await refused(ResourceNotFound, put(w, "live", 1))
        assert text == f"Cannot find alias arn: {ARN}:live"
        await alias(w, "next", "$LATEST")
        await refused(InvalidParameterValue, put(w, "next", 1))
        routing = {"AdditionalVersionWeights": {"2": 0.5}}
        await alias(w, "split", "1", RoutingConfig=routing)
        text = await refused(InvalidParameterValue, put(w, "split", 1))
        assert text == "Alias with weights can not be used with Provisioned Concurrency"

    world(main)


def test_one_configuration_leads_to_a_version(world):
    async def main(w):
        await published(w)
        await alias(w, "live", "1")
        await alias(w, "other", "1")
        await put(w, "live", 1)
        text = await refused(ResourceConflict, put(w, "1", 1))
        assert text == "Version is pointed by a Provisioned Concurrency alias"
        await refused(ResourceConflict, put(w, "other", 1))
        await delete(w, "live")
        await put(w, "1", 1)
        text = await refused(ResourceConflict, put(w, "live", 1))
        assert text == (
            "Alias can't be used for Provisioned Concurrency configuration on an already "
            "Provisioned version"
        )

    world(main)


def test_an_alias_takes_its_configuration_along(world):
    async def main(w):
        await published(w)
        await alias(w, "live", "1")
        await put(w, "live", 2)
        move = {"FunctionName": "fn", "Name": "live", "FunctionVersion": "2"}
        await put(w, "2", 1)
        text = await refused(InvalidParameterValue, w.do("UpdateAlias", **move))
        assert text == "Invalid alias configuration for Provisioned Concurrency"
        await delete(w, "2")
        await w.do("UpdateAlias", **move)
        provisioned = w.listener.targets[*w.SCOPE, "fn"].provisioned
        assert {version: p.requested for version, p in provisioned.items()} == {"2": 2}
        await w.do("DeleteAlias", FunctionName="fn", Name="live")
        assert not w.listener.targets[*w.SCOPE, "fn"].provisioned

    world(main)


def test_a_deleted_version_takes_its_configuration_with_it(world):
    async def main(w):
        await published(w)
        await put(w, "1", 2)
        await w.do("DeleteFunction", FunctionName="fn", Qualifier="1")
        assert not w.listener.targets[*w.SCOPE, "fn"].provisioned
        settings = await w.account()
        assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000

    world(main)


def test_the_account_keeps_a_hundred(world):
    async def main(w):
        await published(w)
        text = await refused(UntypedInvalidParameterValue, put(w, "1", 1001))
        assert text == (
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            "concurrency [1000]."
        )
        text = await refused(UntypedInvalidParameterValue, put(w, "1", 901))
        assert text == (
            "Specified ConcurrentExecutions for function decreases account's "
            "UnreservedConcurrentExecution below its minimum value of [100]."
        )
        await put(w, "1", 900)
        await put(w, "1", 900)  # its own old one does not count against it
        settings = await w.account()
        assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 100
        await refused(UntypedInvalidParameterValue, put(w, "2", 1))

    world(main)


def test_a_reservation_holds_what_is_provisioned(world):
    async def main(w):
        await published(w)
        reserve = {"FunctionName": "fn", "ReservedConcurrentExecutions": 3}
        await w.do("PutFunctionConcurrency", **reserve)
        await put(w, "1", 2)
        text = await refused(InvalidParameterValue, put(w, "2", 2))
        assert text == (
            "Requested Provisioned Concurrency should not be greater than the "
            "reservedConcurrentExecution for function"
        )
        await put(w, "2", 1)
        await delete(w, "2")
        reserve["ReservedConcurrentExecutions"] = 1
        text = await refused(
            UntypedInvalidParameterValue, w.do("PutFunctionConcurrency", **reserve)
        )
        assert text == (
            " ReservedConcurrentExecutions  1 should not be lower than function's total "
            "provisioned concurrency [2]."
        )
        settings = await w.account()
        assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 997

    world(main)


def test_a_list_goes_by_pages(world):
    async def main(w):
        await published(w, versions=3)
        for version in ("1", "2", "3"):
            await put(w, version, int(version))
        listing = {"FunctionName": "fn", "MaxItems": 2}
        first = await w.do("ListProvisionedConcurrencyConfigs", **listing)
        rest = await w.do(
            "ListProvisionedConcurrencyConfigs", **listing, Marker=first["NextMarker"]
        )
        shown = [*first["ProvisionedConcurrencyConfigs"], *rest["ProvisionedConcurrencyConfigs"]]
        assert [item["FunctionArn"] for item in shown] == [f"{ARN}:{n}" for n in (1, 2, 3)]
        assert [item["RequestedProvisionedConcurrentExecutions"] for item in shown] == [1, 2, 3]
        assert "NextMarker" not in rest

    world(main)


def test_two_at_once_cannot_both_take_the_rest(world):
    async def main(w):
        await published(w, versions=3)
        work = [put(w, str(number), 400) for number in (1, 2, 3)]
        done = await asyncio.gather(*work, return_exceptions=True)
        assert sum(isinstance(answer, dict) for answer in done) == 2

    world(main)


def test_a_function_that_keeps_tenants_apart_has_none(world):
    async def main(w):
        await w.create(TenancyConfig={"TenantIsolationMode": "PER_TENANT"}, Publish=True)
        with pytest.raises(InvalidParameterValue, match="functions with TenancyConfig"):
            await put(w, "1", 1)

    world(main)
