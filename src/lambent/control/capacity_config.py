"""A function's CapacityProviderConfig: which provider, and how many invokes an environment takes.

(AWS Lambda developer guide, "Lambda Managed Instances".) Left open, the number of invokes follows
from the runtime and the processors that the memory size brings.
"""

from __future__ import annotations

from typing import Any, Final

from lambent.store.records import Capacity, Configuration

MEMBER: Final = "LambdaManagedInstancesCapacityProviderConfig"
GIB_PER_VCPU: Final = 2.0
PER_VCPU: Final = {"python": 16, "nodejs": 64, "java": 32, "dotnet": 32}
OTHERS_PER_VCPU: Final = 16
MOST: Final = 1_600


def applied(old: Capacity | None, given: dict[str, Any] | None) -> Capacity | None:
    """The present one with what a request names; an empty request takes the function off it."""
    if given is None:
        return old
    inner = given.get(MEMBER)
    if not inner:
        return None
    same = old is not None and old.provider_arn == inner["CapacityProviderArn"]
    kept = old if same and old is not None else Capacity(inner["CapacityProviderArn"])
    return Capacity(
        provider_arn=kept.provider_arn,
        max_concurrency=inner.get("PerExecutionEnvironmentMaxConcurrency", kept.max_concurrency),
        gib_per_vcpu=inner.get("ExecutionEnvironmentMemoryGiBPerVCpu", kept.gib_per_vcpu),
    )


def max_concurrency(kept: Configuration) -> int:
    """Invokes that one environment takes at once; 0 on demand, where it is one and not promised."""
    capacity = kept.capacity
    if capacity is None:
        return 0
    if capacity.max_concurrency is not None:
        return capacity.max_concurrency
    vcpus = max(int(kept.memory_mb / 1024 / (capacity.gib_per_vcpu or GIB_PER_VCPU)), 1)
    runtime = kept.runtime or ""
    family = next((name for name in PER_VCPU if runtime.startswith(name)), "")
    return min(vcpus * PER_VCPU.get(family, OTHERS_PER_VCPU), MOST)


def shown(kept: Configuration) -> dict[str, Any]:
    """As GetFunctionConfiguration answers it."""
    capacity = kept.capacity
    assert capacity is not None
    return {
        MEMBER: {
            "CapacityProviderArn": capacity.provider_arn,
            "PerExecutionEnvironmentMaxConcurrency": max_concurrency(kept),
            "ExecutionEnvironmentMemoryGiBPerVCpu": capacity.gib_per_vcpu or GIB_PER_VCPU,
        }
    }
