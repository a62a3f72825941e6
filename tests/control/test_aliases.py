"""Aliases and weighted routing."""

from __future__ import annotations

import pytest

from lambent.control.targets import AliasTarget
from lambent.errors import (
    InvalidParameterValue,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
    UntypedInvalidParameterValue,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


async def with_versions(w, count):
    await w.create(Publish=True)
    for n in range(1, count):
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=10 + n)
        await w.settle()
        await w.do("PublishVersion", FunctionName="fn")
    await w.settle()


def weights(**given):
    return {"AdditionalVersionWeights": {k.strip("v"): v for k, v in given.items()}}


async def refused(awaitable, error):
    with pytest.raises(error) as raised:
        await awaitable
    assert type(raised.value) is error
    return raised.value.message


def test_life_of_an_alias(world):
    async def main(w):
        await with_versions(w, 2)
        made = await w.do("CreateAlias", FunctionName="fn", Name="live", FunctionVersion="1")
        revision = made.pop("RevisionId")
        assert made == {
            "AliasArn": f"{ARN}:live",
            "Name": "live",
            "FunctionVersion": "1",
            "Description": "",
        }
        assert w.listener.targets[*w.SCOPE, "fn"].aliases == {"live": AliasTarget("live", "1")}
        updated = await w.do(
            "UpdateAlias",
            FunctionName="fn",
            Name="live",
            RoutingConfig=weights(v2=0.1),
            Description="canary",
            RevisionId=revision,
        )
        assert updated["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.1}}
        assert updated["RevisionId"] != revision
        assert w.listener.targets[*w.SCOPE, "fn"].aliases["live"] == AliasTarget(
            "live", "1", (("2", 0.1),)
        )
        assert await w.do("GetAlias", FunctionName="fn", Name="live") == updated
        moved = await w.do(
            "UpdateAlias", FunctionName="fn", Name="live", FunctionVersion="2", RoutingConfig={}
        )
        assert "RoutingConfig" not in moved
        assert moved["Description"] == "canary"
        await w.do("DeleteAlias", FunctionName="fn", Name="live")
        assert w.listener.targets[*w.SCOPE, "fn"].aliases == {}
        await w.do("DeleteAlias", FunctionName="fn", Name="live")

    world(main)


def test_refusals(world):
    async def main(w):
        await with_versions(w, 3)

        def create(version="1", name="live", **members):
            return w.do(
                "CreateAlias", FunctionName="fn", Name=name, FunctionVersion=version, **members
            )

        assert await refused(create("9"), ResourceNotFound) == f"Function not found: {ARN}:9"
        assert (
            await refused(create(RoutingConfig=weights(v9=0.5)), ResourceNotFound)
            == f"Function not found: {ARN}:9"
        )
        assert (
            await refused(create(RoutingConfig=weights(v2=0.1, v3=0.1)), InvalidParameterValue)
            == "Number of items in AdditionalVersionWeights cannot be greater than 1"
        )
        assert await refused(create(RoutingConfig=weights(v1=0.1)), InvalidParameterValue) == (
            "Invalid function version 1. Function version 1 is already included in routing "
            "configuration."
        )
        assert (
            await refused(
                create("$LATEST", RoutingConfig=weights(v1=0.1)), UntypedInvalidParameterValue
            )
            == "$LATEST is not supported for an alias pointing to more than 1 version"
        )
        await create("$LATEST", name="dev")
        await create()
        assert await refused(create(), ResourceConflict) == f"Alias already exists: {ARN}:live"
        update = w.do("UpdateAlias", FunctionName="fn", Name="none", Description="")
        assert await refused(update, ResourceNotFound) == f"Alias not found: {ARN}:none"
        get = w.do("GetAlias", FunctionName="fn", Name="none")
        assert await refused(get, ResourceNotFound) == f"Cannot find alias arn: {ARN}:none"
        stale = w.do("UpdateAlias", FunctionName="fn", Name="live", RevisionId="old")
        assert await refused(stale, PreconditionFailed) == (
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
        # Moving onto the version that already gets the extra weight.
        await w.do("UpdateAlias", FunctionName="fn", Name="live", RoutingConfig=weights(v2=1.0))
        move = w.do("UpdateAlias", FunctionName="fn", Name="live", FunctionVersion="2")
        await refused(move, InvalidParameterValue)

    world(main)


def test_a_version_that_an_alias_needs_stays(world):
    async def main(w):
        await with_versions(w, 2)
        await w.do(
            "CreateAlias",
            FunctionName="fn",
            Name="live",
            FunctionVersion="1",
            RoutingConfig=weights(v2=0.5),
        )
        for number in ("1", "2"):
            delete = w.do("DeleteFunction", FunctionName="fn", Qualifier=number)
            assert await refused(delete, ResourceConflict) == (
                "Unable to delete version because the following aliases reference it: [live]"
            )

    world(main)


def test_list(world):
    async def main(w):
        await with_versions(w, 2)
        for name, version, more in (
            ("b", "1", {}),
            ("a", "2", {}),
            ("c", "1", weights(v2=0.3)),
        ):
            await w.do(
                "CreateAlias",
                FunctionName="fn",
                Name=name,
                FunctionVersion=version,
                RoutingConfig=more,
            )

        async def names(**members):
            answer = await w.do("ListAliases", FunctionName="fn", **members)
            return [a["Name"] for a in answer["Aliases"]], answer.get("NextMarker")

        assert await names() == (["a", "b", "c"], None)
        assert await names(FunctionVersion="2") == (["a", "c"], None)
        assert await names(FunctionVersion="7") == ([], None)
        shown, marker = await names(MaxItems=2)
        assert shown == ["a", "b"]
        assert await names(Marker=marker) == (["c"], None)
        unknown = w.do("ListAliases", FunctionName="other")
        await refused(unknown, ResourceNotFound)

    world(main)
