"""Which version answers: names, qualifiers, alias weights and the refusals."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lambent.clock import ManualClock
from lambent.control.targets import LATEST, AliasTarget, FunctionTargets, VersionTarget
from lambent.engine.admission import Admission
from lambent.engine.routing import Route, RoutingTable
from lambent.errors import ResourceConflict, ResourceNotFound, SnapStartNotReady

ARN = "arn:aws:lambda:us-east-1:123456789012:function:churn"
FIRST = VersionTarget(
    account="123456789012",
    region="us-east-1",
    function_name="churn",
    version=LATEST,
    function_arn=ARN,
    generation="1",
    runtime="python3.13",
    handler="app.handler",
    architecture="x86_64",
    code_path=Path("/nowhere"),
    layer_paths=(),
    environment={},
    memory_mb=128,
    timeout_s=3,
    ephemeral_mb=512,
    role_arn="arn:aws:iam::123456789012:role/r",
    log_group="/aws/lambda/churn",
)


def table(draw=lambda: 0.0, **aliases: AliasTarget) -> tuple[RoutingTable, Route]:
    versions = {v: replace(FIRST, version=v) for v in (LATEST, "1", "2")}
    targets = FunctionTargets("123456789012", "us-east-1", "churn", ARN, None, versions, aliases)
    concurrency = Admission(ManualClock(), limit=10, rate=10).function("123456789012", "us-east-1")
    routing = RoutingTable(draw)
    route = Route(targets, concurrency)
    routing.routes["123456789012", "us-east-1", "churn"] = route
    return routing, route


@pytest.mark.parametrize(
    ("qualifier", "version"), [(None, LATEST), (LATEST, LATEST), ("1", "1"), ("live", "2")]
)
def test_each_kind_of_qualifier_finds_its_version(qualifier, version):
    routing, route = table(live=AliasTarget("live", "2"))
    assert routing.choose(route, qualifier).version == version


def test_an_unknown_function_is_named_with_latest():
    routing, _ = table()
    with pytest.raises(ResourceNotFound) as caught:
        routing.find("123456789012", "us-east-1", "other", None)
    assert caught.value.message == f"Function not found: {ARN[:-5]}other:$LATEST"


@pytest.mark.parametrize("qualifier", ["9", "nobody", "$latest"])
def test_an_unknown_qualifier_is_named(qualifier):
    routing, route = table()
    with pytest.raises(ResourceNotFound) as caught:
        routing.choose(route, qualifier)
    assert caught.value.message == f"Function not found: {ARN}:{qualifier}"


def test_accounts_and_regions_are_apart():
    routing, _ = table()
    for account, region in (("999999999999", "us-east-1"), ("123456789012", "eu-west-1")):
        with pytest.raises(ResourceNotFound):
            routing.find(account, region, "churn", None)


@pytest.mark.parametrize(
    ("drawn", "version"), [(0.0, "2"), (0.0999, "2"), (0.1, "1"), (0.999, "1")]
)
def test_a_weight_is_the_share_of_the_draw(drawn, version):
    routing, route = table(lambda: drawn, live=AliasTarget("live", "1", (("2", 0.1),)))
    assert routing.choose(route, "live").version == version


def test_weights_are_drawn_for_each_call():
    draws = iter(i / 1000 for i in range(1000))
    routing, route = table(lambda: next(draws), live=AliasTarget("live", "1", (("2", 0.25),)))
    assert Counter(routing.choose(route, "live").version for _ in range(1000)) == {
        "1": 750,
        "2": 250,
    }


def test_a_version_whose_snapshot_is_being_made_says_so():
    routing, route = table()
    versions = {LATEST: replace(FIRST, state="Pending", snap_start_asked=True)}
    route.targets = replace(route.targets, versions=versions)
    with pytest.raises(SnapStartNotReady, match="Lambda is initializing your function"):
        routing.choose(route, None)


@pytest.mark.parametrize("state", ["Pending", "Failed"])
def test_a_version_that_is_not_active_is_refused(state):
    routing, route = table()
    versions = {LATEST: replace(FIRST, state=state)}
    route.targets = replace(route.targets, versions=versions)
    with pytest.raises(ResourceConflict, match=f"following state: {state}"):
        routing.choose(route, None)
