"""Published versions: frozen, numbered, and the same again when nothing has changed."""

from __future__ import annotations

import pytest

from lambent.errors import InvalidParameterValue, ResourceNotFound

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


async def publish(w, **members):
    answer = await w.do("PublishVersion", FunctionName="fn", **members)
    await w.settle()
    return answer


def test_create_with_publish(world):
    async def main(w):
        created = await w.create(Publish=True)
        assert created["Version"] == "1"
        assert created["FunctionArn"] == ARN  # without :1, as AWS has it
        assert created["State"] == "Pending"
        latest, first = await w.get(), await w.get(qualifier="1")
        assert latest["RevisionId"] != first["RevisionId"]
        assert first["FunctionArn"] == f"{ARN}:1"
        assert w.target("1").state == "Active"

    world(main)


def test_a_version_is_pending_first_and_frozen_after(world):
    async def main(w):
        await w.create(SnapStart={"ApplyOn": "PublishedVersions"})
        answer = await w.do("PublishVersion", FunctionName="fn", Description="first")
        assert (answer["Version"], answer["FunctionArn"]) == ("1", f"{ARN}:1")
        assert (answer["State"], answer["Description"]) == ("Pending", "first")
        assert answer["SnapStart"]["OptimizationStatus"] == "Off"
        assert w.target("1").state == "Pending"
        await w.settle()
        frozen = await w.get(qualifier="1")
        assert frozen["State"] == "Active"
        assert frozen["SnapStart"]["OptimizationStatus"] == "On"
        assert (await w.get())["SnapStart"]["OptimizationStatus"] == "Off"
        assert w.target("1").snap_start
        target = w.target("1")
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", MemorySize=1024)
        await w.settle()
        assert await w.get(qualifier="1") == frozen
        assert w.target("1") == target
        assert (await w.get())["Description"] == ""

    world(main)


def test_publishing_the_same_gives_the_same(world):
    async def main(w):
        await w.create()
        await publish(w)
        first = await w.get(qualifier="1")
        again = await publish(w, Description="other")
        assert again == first
        # Redundant updates change the revision, not the content.
        await w.do("UpdateFunctionConfiguration", FunctionName="fn")
        await w.settle()
        assert (await publish(w))["Version"] == "1"
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        await w.settle()
        assert (await publish(w))["Version"] == "2"

    world(main)


def test_the_digest_guards(world):
    async def main(w):
        await w.create()
        current = (await w.get())["CodeSha256"]
        with pytest.raises(InvalidParameterValue) as raised:
            await publish(w, CodeSha256="other")
        assert raised.value.message == (
            f"CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
        assert (await publish(w, CodeSha256=current))["Version"] == "1"

    world(main)


def test_numbers_are_never_reused(world):
    async def main(w):
        await w.create(Publish=True)
        await w.do("DeleteFunction", FunctionName="fn", Qualifier="1")
        assert (await publish(w))["Version"] == "2"
        await w.do("DeleteFunction", FunctionName="fn")
        assert (await w.create(Publish=True))["Version"] == "3"
        await w.do("DeleteFunction", FunctionName="fn")

    world(main)

    async def after_a_restart(w):
        assert (await w.create(Publish=True))["Version"] == "4"

    world(after_a_restart)


def test_list(world):
    async def main(w):
        await w.create(Publish=True)
        for timeout in range(10, 13):
            await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=timeout)
            await w.settle()
            await publish(w)
        listed = await w.do("ListVersionsByFunction", FunctionName="fn", MaxItems=3)
        assert [v["FunctionArn"] for v in listed["Versions"]] == [
            f"{ARN}:$LATEST",
            f"{ARN}:1",
            f"{ARN}:2",
        ]
        assert all("State" not in v for v in listed["Versions"])
        rest = await w.do("ListVersionsByFunction", FunctionName="fn", Marker=listed["NextMarker"])
        assert [v["Version"] for v in rest["Versions"]] == ["3", "4"]
        with pytest.raises(ResourceNotFound):
            await w.do("ListVersionsByFunction", FunctionName="other")

    world(main)


def test_unknown_function(world):
    async def main(w):
        with pytest.raises(ResourceNotFound) as raised:
            await publish(w)
        assert raised.value.message == f"Function not found: {ARN}"

    world(main)


def test_latest_published_is_made_and_then_replaced_without_using_numbers(world):
    async def main(w):
        await w.create()
        first = await publish(w, PublishTo="LATEST_PUBLISHED")
        assert first["Version"] == "$LATEST.PUBLISHED"
        assert first["FunctionArn"] == f"{ARN}:$LATEST.PUBLISHED"
        same = await publish(w, PublishTo="LATEST_PUBLISHED")
        assert same["Version"] == "$LATEST.PUBLISHED"
        assert w.target("$LATEST.PUBLISHED").timeout_s == 3
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        await w.settle()
        again = await w.do("PublishVersion", FunctionName="fn", PublishTo="LATEST_PUBLISHED")
        assert again["LastUpdateStatus"] == "InProgress"
        assert w.target("$LATEST.PUBLISHED").timeout_s == 3  # the old one serves until then
        await w.settle()
        assert w.target("$LATEST.PUBLISHED").timeout_s == 9
        assert (await publish(w))["Version"] == "1"
        listed = await w.do("ListVersionsByFunction", FunctionName="fn", MaxItems=2)
        more = await w.do("ListVersionsByFunction", FunctionName="fn", Marker=listed["NextMarker"])
        names = [v["Version"] for v in (*listed["Versions"], *more["Versions"])]
        assert names == ["$LATEST", "$LATEST.PUBLISHED", "1"]
        alias = await w.do(
            "CreateAlias", FunctionName="fn", Name="live", FunctionVersion="$LATEST.PUBLISHED"
        )
        assert alias["FunctionVersion"] == "$LATEST.PUBLISHED"
        await w.do("DeleteAlias", FunctionName="fn", Name="live")
        await w.do("DeleteFunction", FunctionName="fn", Qualifier="$LATEST.PUBLISHED")
        with pytest.raises(ResourceNotFound):
            await w.get(qualifier="$LATEST.PUBLISHED")

    world(main)
