"""Capacity providers, the functions on them, and how these scale."""

from __future__ import annotations

import pytest

from lambent.control.tags import ListTags, TagResource
from lambent.errors import InvalidParameterValue, ResourceConflict, ResourceNotFound

HERE = "arn:aws:lambda:us-east-1:123456789012"
ARN = f"{HERE}:capacity-provider:cp"
FN = f"{HERE}:function:fn"
MEMBER = "LambdaManagedInstancesCapacityProviderConfig"


async def provider(w, name="cp", **more):
    answer = await w.do(
        "CreateCapacityProvider",
        CapacityProviderName=name,
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        PermissionsConfig={"CapacityProviderOperatorRoleArn": w.ROLE},
        **more,
    )
    return answer["CapacityProvider"]


async def get(w, name="cp"):
    found = await w.do("GetCapacityProvider", CapacityProviderName=name)
    return found["CapacityProvider"]


def on(arn=ARN, **more):
    return {MEMBER: {"CapacityProviderArn": arn, **more}}


async def refused(error, work):
    with pytest.raises(error) as raised:
        await work
    return raised.value.message


async def settled(w):
    await w.settle()


def test_the_life_of_a_provider(world):
    async def main(w):
        made = await provider(w)
        assert made["CapacityProviderArn"] == ARN
        assert made["State"] == "Pending"
        assert made["VpcConfig"] == {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
        assert made["PermissionsConfig"] == {"CapacityProviderOperatorRoleArn": w.ROLE}
        assert made["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 400, "ScalingMode": "Auto"}
        assert (await get(w))["State"] == "Pending"
        await settled(w)
        assert (await get(w))["State"] == "Active"
        assert (await get(w, ARN))["State"] == "Active"
        await refused(ResourceConflict, provider(w))
        changed = await w.do(
            "UpdateCapacityProvider",
            CapacityProviderName="cp",
            CapacityProviderScalingConfig={"MaxVCpuCount": 8},
        )
        scaling = changed["CapacityProvider"]["CapacityProviderScalingConfig"]
        assert scaling == {"MaxVCpuCount": 8, "ScalingMode": "Auto"}
        gone = await w.do("DeleteCapacityProvider", CapacityProviderName="cp")
        assert gone["CapacityProvider"]["State"] == "Deleting"
        assert (await get(w))["State"] == "Deleting"
        await settled(w)
        assert await refused(ResourceNotFound, get(w)) == f"Capacity provider not found: {ARN}"

    world(main)


def test_it_survives_a_restart(world):
    async def first(w):
        await provider(w, Tags={"a": "b"})

    async def second(w):
        assert (await get(w))["State"] == "Active"

    world(first)
    world(second)


def test_lists_go_by_state_and_pages(world):
    async def main(w):
        for name in ("c", "a", "b"):
            await provider(w, name)
        await settled(w)
        await provider(w, "d")
        pending = await w.do("ListCapacityProviders", State="Pending")
        assert [p["CapacityProviderArn"][-1] for p in pending["CapacityProviders"]] == ["d"]
        first = await w.do("ListCapacityProviders", MaxItems=3)
        rest = await w.do("ListCapacityProviders", MaxItems=3, Marker=first["NextMarker"])
        shown = first["CapacityProviders"] + rest["CapacityProviders"]
        assert [p["CapacityProviderArn"][-1] for p in shown] == ["a", "b", "c", "d"]

    world(main)


def test_what_does_not_go_together_is_refused(world):
    async def main(w):
        both = {"AllowedInstanceTypes": ["m7*"], "ExcludedInstanceTypes": ["m8*"]}
        await refused(InvalidParameterValue, provider(w, InstanceRequirements=both))
        manual = {"ScalingMode": "Manual"}
        await refused(InvalidParameterValue, provider(w, CapacityProviderScalingConfig=manual))

    world(main)


def test_a_function_on_a_provider(world):
    async def main(w):
        text = await refused(ResourceNotFound, w.create(CapacityProviderConfig=on()))
        assert text == f"Capacity provider not found: {ARN}"
        await provider(w)
        await w.create(CapacityProviderConfig=on(), MemorySize=4096)
        shown = await w.get()
        assert shown["State"] == "ActiveNonInvocable"
        assert shown["CapacityProviderConfig"] == on(
            PerExecutionEnvironmentMaxConcurrency=32, ExecutionEnvironmentMemoryGiBPerVCpu=2.0
        )
        assert w.target().state == "ActiveNonInvocable"
        await w.do("PublishVersion", FunctionName="fn", PublishTo="LATEST_PUBLISHED")
        await w.do("PublishVersion", FunctionName="fn")
        await settled(w)
        for version in ("$LATEST.PUBLISHED", "1"):
            assert (await w.get(qualifier=version))["State"] == "Active"
            assert w.target(version).max_concurrency == 32
        users = await w.do("ListFunctionVersionsByCapacityProvider", CapacityProviderName="cp")
        assert users["CapacityProviderArn"] == ARN
        assert users["FunctionVersions"] == [
            {"FunctionArn": f"{FN}:$LATEST.PUBLISHED", "State": "Active"},
            {"FunctionArn": f"{FN}:1", "State": "Active"},
        ]
        await refused(ResourceConflict, w.do("DeleteCapacityProvider", CapacityProviderName="cp"))
        await w.do("DeleteFunction", FunctionName="fn")
        await w.do("DeleteCapacityProvider", CapacityProviderName="cp")

    world(main)


def test_its_concurrency_can_be_said_and_changed(world):
    async def main(w):
        await provider(w)
        await w.create(CapacityProviderConfig=on(PerExecutionEnvironmentMaxConcurrency=3))
        assert w.target().max_concurrency == 3
        await w.do(
            "UpdateFunctionConfiguration",
            FunctionName="fn",
            CapacityProviderConfig=on(ExecutionEnvironmentMemoryGiBPerVCpu=4.0),
        )
        await settled(w)
        assert (await w.get())["CapacityProviderConfig"] == on(
            PerExecutionEnvironmentMaxConcurrency=3, ExecutionEnvironmentMemoryGiBPerVCpu=4.0
        )

    world(main)


def test_scaling_bounds(world):
    async def main(w):
        await provider(w)
        await w.create(CapacityProviderConfig=on(PerExecutionEnvironmentMaxConcurrency=3))
        await w.do("PublishVersion", FunctionName="fn")
        await settled(w)

        async def put(**bounds):
            return await w.do(
                "PutFunctionScalingConfig",
                FunctionName="fn",
                Qualifier="1",
                FunctionScalingConfig=bounds,
            )

        answer = await put(MinExecutionEnvironments=1, MaxExecutionEnvironments=4)
        assert answer == {"FunctionState": "Active"}
        assert (w.target("1").min_environments, w.target("1").max_environments) == (1, 4)
        shown = await w.do("GetFunctionScalingConfig", FunctionName="fn", Qualifier="1")
        bounds = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 4}
        assert shown == {
            "FunctionArn": f"{FN}:1",
            "AppliedFunctionScalingConfig": bounds,
            "RequestedFunctionScalingConfig": bounds,
        }
        await refused(
            InvalidParameterValue, put(MinExecutionEnvironments=5, MaxExecutionEnvironments=4)
        )
        answer = await put(MinExecutionEnvironments=0, MaxExecutionEnvironments=0)
        assert answer == {"FunctionState": "Deactivated"}
        assert w.target("1").state == "Deactivated"
        assert await put() == {"FunctionState": "Active"}

    world(main)


def test_scaling_and_provisioning_are_for_one_kind_each(world):
    async def main(w):
        await provider(w)
        await w.create()
        await w.create("managed", CapacityProviderConfig=on())
        for name in ("fn", "managed"):
            await w.do("PublishVersion", FunctionName=name)
        await settled(w)
        await refused(
            InvalidParameterValue,
            w.do("GetFunctionScalingConfig", FunctionName="fn", Qualifier="1"),
        )
        await refused(
            InvalidParameterValue,
            w.do(
                "PutProvisionedConcurrencyConfig",
                FunctionName="managed",
                Qualifier="1",
                ProvisionedConcurrentExecutions=1,
            ),
        )

    world(main)


def test_tags(world):
    async def main(w):
        await provider(w, Tags={"a": "1"})
        tags = w.control.tags
        await tags.tag(w.SCOPE, TagResource(resource=ARN, tags={"b": "2"}))
        assert (await tags.list(w.SCOPE, ListTags(resource=ARN)))["Tags"] == {"a": "1", "b": "2"}
        unknown = ListTags(resource=ARN + "x")
        text = await refused(ResourceNotFound, tags.list(w.SCOPE, unknown))
        assert text.startswith("Capacity provider not found: ")

    world(main)
