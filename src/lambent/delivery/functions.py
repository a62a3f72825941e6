"""Functions as they are: list, describe, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambent.delivery import aliases
from lambent.delivery.aws import Aws


def listed(aws: Aws) -> list[dict[str, Any]]:
    """All functions, by name."""
    pages = aws.functions.get_paginator("list_functions").paginate()
    found = [_summary(configuration) for page in pages for configuration in page["Functions"]]
    return sorted(found, key=lambda facts: str(facts["function"]))


def described(aws: Aws, name: str) -> dict[str, Any]:
    """Everything about one. Environment variables by name only: their values may be secrets."""
    answer = aws.functions.get_function(FunctionName=name)
    configuration = answer["Configuration"]
    name = configuration["FunctionName"]
    return {
        **_summary(configuration),
        "arn": configuration["FunctionArn"],
        "state": configuration.get("State"),
        "state_reason": configuration.get("StateReason") or None,
        "last_update": configuration.get("LastUpdateStatus"),
        "code_sha256": configuration["CodeSha256"],
        "role": configuration["Role"],
        "ephemeral_mb": (configuration.get("EphemeralStorage") or {}).get("Size", 512),
        "environment": sorted((configuration.get("Environment") or {}).get("Variables", {})),
        "layers": [layer["Arn"] for layer in configuration.get("Layers", ())],
        "log_group": (configuration.get("LoggingConfig") or {}).get("LogGroup"),
        "log_format": (configuration.get("LoggingConfig") or {}).get("LogFormat"),
        "snap_start": (configuration.get("SnapStart") or {}).get("ApplyOn", "None"),
        "reserved_concurrency": (answer.get("Concurrency") or {}).get(
            "ReservedConcurrentExecutions"
        ),
        "tags": dict(answer.get("Tags") or {}),
        "aliases": [alias.facts() for alias in aliases.listed(aws, name)],
        "versions": [
            {
                "version": v["Version"],
                "published": v["LastModified"],
                "code_sha256": v["CodeSha256"],
            }
            for v in aliases.versions(aws, name)
        ],
    }


def holdings(aws: Aws, name: str) -> dict[str, Any]:
    """What goes when the function goes; an unknown one raises botocore's error."""
    configuration = aws.functions.get_function_configuration(FunctionName=name)
    return {
        "function": str(configuration["FunctionName"]),
        "versions": [str(v["Version"]) for v in aliases.versions(aws, name)],
        "aliases": [alias.name for alias in aliases.listed(aws, name)],
        "role": str(configuration["Role"]),
        "log_group": (configuration.get("LoggingConfig") or {}).get("LogGroup"),
    }


def delete(aws: Aws, name: str) -> None:
    """The function with all of its versions and aliases."""
    aws.functions.delete_function(FunctionName=name)


def _summary(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "function": configuration["FunctionName"],
        "runtime": configuration.get("Runtime"),
        "handler": configuration.get("Handler"),
        "memory_mb": configuration["MemorySize"],
        "timeout_s": configuration["Timeout"],
        "architecture": (configuration.get("Architectures") or ["x86_64"])[0],
        "code_bytes": configuration["CodeSize"],
        "last_modified": configuration["LastModified"],
        "description": configuration.get("Description", ""),
    }
