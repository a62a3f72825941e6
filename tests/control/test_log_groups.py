import asyncio
import contextlib

import pytest

from lambent.clock import ManualClock
from lambent.control.log_groups import RETENTION_DAYS, LogGroups, group_arn, group_name
from lambent.control.names import Scope
from lambent.errors import (
    InvalidParameter,
    OperationNotAllowed,
    ResourceAlreadyExists,
    ResourceNotFound,
    TooManyTags,
)
from lambent.store.database import Database

SCOPE = Scope("123456789012", "us-east-1")
OTHER = Scope("123456789012", "eu-west-1")
NOW = 1_700_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def run(tmp_path):
    def run(main):
        async def whole():
            async with contextlib.AsyncExitStack() as stack:
                database = Database(tmp_path / "db.sqlite")
                await database.open()
                stack.push_async_callback(database.close)
                groups = LogGroups(database, ManualClock(NOW))
                await groups.open()
                stack.push_async_callback(groups.close)
                return await main(groups)

        return asyncio.run(asyncio.wait_for(whole(), 60))

    return run


async def create(groups, name="g", scope=SCOPE, **more):
    options = {"tags": {}, "log_class": "STANDARD", "kms_key_id": None, "protected": False}
    await groups.create(scope, name, **{**options, **more})


def test_all_of_a_group_survives_a_restart(run):
    async def main(groups):
        await create(groups, tags={"a": "1"}, log_class="INFREQUENT_ACCESS", kms_key_id="k")
        await groups.set_retention(SCOPE, "g", 7)
        await groups.tag(SCOPE, "g", {"b": "2", "a": "3"})
        await groups.untag(SCOPE, "g", ["b", "none"])
        await groups.add_stream(SCOPE, "g", "s")
        return groups.get(SCOPE, "g")

    group = run(main)
    assert (group.tags, group.retention_days, group.created_ms) == ({"a": "3"}, 7, NOW)

    async def again(groups):
        assert await groups.streams(SCOPE, "g") == {"s": NOW}
        return groups.get(SCOPE, "g")

    assert run(again) == group


def test_scopes_share_nothing(run):
    async def main(groups):
        await create(groups)
        with pytest.raises(ResourceNotFound):
            groups.get(OTHER, "g")
        await create(groups, scope=OTHER)
        await groups.delete(SCOPE, "g")
        return [g.name for g in groups.all(OTHER)]

    assert run(main) == ["g"]


def test_a_name_is_taken_once(run):
    async def main(groups):
        both = await asyncio.gather(create(groups), create(groups), return_exceptions=True)
        assert isinstance(both[1], ResourceAlreadyExists)
        assert str(both[1]) == "The specified log group already exists"

    run(main)


def test_deleting_takes_the_streams_along(run):
    async def main(groups):
        await create(groups)
        await groups.add_stream(SCOPE, "g", "s")
        await groups.delete(SCOPE, "g")
        with pytest.raises(ResourceNotFound):
            await groups.delete(SCOPE, "g")
        await create(groups)
        return await groups.streams(SCOPE, "g")

    assert run(main) == {}


def test_a_protected_group_stays(run):
    async def main(groups):
        await create(groups, protected=True)
        with pytest.raises(OperationNotAllowed):
            await groups.delete(SCOPE, "g")
        await groups.protect(SCOPE, "g", protected=False)
        await groups.delete(SCOPE, "g")

    run(main)


@pytest.mark.parametrize("days", [0, -1, 2, 8, 100, 3654])
def test_only_aws_retentions_are_taken(run, days):
    async def main(groups):
        await create(groups)
        with pytest.raises(InvalidParameter, match="retentionInDays"):
            await groups.set_retention(SCOPE, "g", days)

    run(main)


def test_retention_moves_the_edge(run):
    async def main(groups):
        await create(groups)
        assert groups.oldest_kept_ms(groups.get(SCOPE, "g")) == 0
        for days in RETENTION_DAYS:
            await groups.set_retention(SCOPE, "g", days)
        edge = groups.oldest_kept_ms(groups.get(SCOPE, "g"))
        assert [group.name for _, group in groups.retentions()] == ["g"]
        await groups.set_retention(SCOPE, "g", None)
        assert list(groups.retentions()) == []
        return edge

    assert run(main) == NOW - 3653 * DAY_MS


def test_fifty_tags(run):
    async def main(groups):
        await create(groups)
        await groups.tag(SCOPE, "g", {f"k{i}": "v" for i in range(50)})
        await groups.tag(SCOPE, "g", {"k0": "w"})
        with pytest.raises(TooManyTags):
            await groups.tag(SCOPE, "g", {"more": "v"})
        return groups.get(SCOPE, "g").tags["k0"]

    assert run(main) == "w"


def test_what_appears_is_written_down(run):
    async def main(groups):
        groups.appeared(*SCOPE, "/aws/lambda/f")
        groups.appeared(*SCOPE, "/aws/lambda/f")
        # A stream by hand needs the row of its group, which is not written yet.
        assert await groups.add_stream(SCOPE, "/aws/lambda/f", "s")
        assert not await groups.add_stream(SCOPE, "/aws/lambda/f", "s")
        groups.appeared(*SCOPE, "/aws/lambda/g")

    run(main)

    async def again(groups):
        return [group.name for group in groups.all(SCOPE)]

    assert run(again) == ["/aws/lambda/f", "/aws/lambda/g"]


def test_the_keeper_writes_while_it_runs(run):
    async def main(groups):
        task = asyncio.create_task(groups.run())
        groups.appeared(*SCOPE, "g")
        async with asyncio.timeout(30):
            while groups._unsaved:
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(main)


def test_identifiers():
    arn = group_arn(SCOPE, "/aws/lambda/f")
    assert arn == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f"
    for identifier in ("/aws/lambda/f", arn, arn + ":*"):
        assert group_name(SCOPE, identifier) == "/aws/lambda/f"
    with pytest.raises(ResourceNotFound):
        group_name(OTHER, arn)
    for broken in (
        "arn:aws:logs:us-east-1:1:log-group:x",
        "a b",
        "",
        "x" * 513,
        "arn:aws:lambda:x",
    ):
        with pytest.raises(InvalidParameter):
            group_name(SCOPE, broken)
    assert group_arn(Scope("1" * 12, "cn-north-1"), "g").startswith("arn:aws-cn:logs:cn-north-1")
