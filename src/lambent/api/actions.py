"""What an API call is to IAM: its action, the resource it touches, and its condition keys.

Follows the service authorization reference of each service. A call
that names no resource is about `*`. Given are the parsed members of the request, before validation:
a name that makes no sense becomes an ARN that no policy means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from lambent.control.names import FunctionRef, Scope, other_account, partition, resolve
from lambent.errors import LambentError

Values = Mapping[str, Any]

_ACTIONS: Final = {
    "Invoke": "InvokeFunction",
    "InvokeWithResponseStream": "InvokeFunction",
    "GetLayerVersionByArn": "GetLayerVersion",
}
_S3_ACTIONS: Final = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
}
_QUALIFIED: Final = frozenset(
    {
        "AddPermission", "CreateFunctionUrlConfig", "DeleteFunction",
        "DeleteFunctionEventInvokeConfig", "DeleteFunctionUrlConfig",
        "DeleteProvisionedConcurrencyConfig", "GetFunction", "GetFunctionConfiguration",
        "GetFunctionEventInvokeConfig", "GetFunctionUrlConfig", "GetPolicy",
        "GetProvisionedConcurrencyConfig", "GetRuntimeManagementConfig", "Invoke",
        "InvokeWithResponseStream", "PutFunctionEventInvokeConfig", "PutFunctionScalingConfig",
        "GetFunctionScalingConfig", "PutProvisionedConcurrencyConfig",
        "PutRuntimeManagementConfig", "RemovePermission", "UpdateFunctionEventInvokeConfig",
        "UpdateFunctionUrlConfig",
    }
)  # fmt: skip
"""Operations whose Qualifier is part of what they are about."""
_ANY: Final = frozenset(
    {"CreateEventSourceMapping", "ListEventSourceMappings", "ListLayerVersions", "ListLayers"}
)
"""Operations on `*`, though they may name a function or a layer."""
BY_POLICY: Final = frozenset(
    {
        "CreateAlias", "DeleteAlias", "DeleteFunction", "DeleteFunctionConcurrency",
        "DeleteFunctionEventInvokeConfig", "DeleteProvisionedConcurrencyConfig", "GetAlias",
        "GetFunction", "GetFunctionConcurrency", "GetFunctionConfiguration",
        "GetFunctionEventInvokeConfig", "GetPolicy", "GetProvisionedConcurrencyConfig", "Invoke",
        "InvokeAsync", "InvokeWithResponseStream", "ListAliases",
        "ListFunctionEventInvokeConfigs", "ListProvisionedConcurrencyConfigs", "ListTags",
        "ListVersionsByFunction", "PublishVersion", "PutFunctionConcurrency",
        "PutFunctionEventInvokeConfig", "PutProvisionedConcurrencyConfig", "TagResource",
        "UntagResource", "UpdateAlias", "UpdateFunctionCode", "UpdateFunctionEventInvokeConfig",
    }
)  # fmt: skip
"""Operations that a function's own policy can allow, and so those of another account's callers."""
BY_POLICY_ACTIONS: Final = frozenset(
    f"lambda:{_ACTIONS.get(operation, operation)}".lower() for operation in BY_POLICY
)
"""The same as actions, in lower case."""
LAYER_READS: Final = frozenset({"GetLayerVersion", "GetLayerVersionByArn"})
"""A layer's own policy is asked by the rules on layers."""


def function_meant(service: str, scope: Scope, operation: str, values: Values) -> Meant | None:
    """The function whose policy has a say in this call, in whichever account it is."""
    name = values.get("FunctionName") or values.get("Resource")
    if service != "lambda" or operation not in BY_POLICY or not name:
        return None
    account = other_account(scope, str(name)) or scope.account
    qualifier = values.get("Qualifier") if operation in _QUALIFIED else None
    try:
        ref = resolve(Scope(account, scope.region), str(name), qualifier, operation="Authorize")
    except LambentError:
        return None
    return Meant(account, ref)


class Meant(NamedTuple):
    account: str
    function: FunctionRef


def action(service: str, operation: str) -> str:
    if service == "lambda":
        operation = _ACTIONS.get(operation, operation)
    if service == "s3":
        operation = _S3_ACTIONS.get(operation, operation)
    return f"{service}:{operation}"


def resource(service: str, scope: Scope, operation: str, values: Values) -> str:
    """An ARN, or `*`."""
    return _RESOURCES[service](scope, operation, values)


def function_arn(scope: Scope, name: str, qualifier: str | None = None) -> str:
    try:
        found = resolve(scope, name, qualifier, operation="Authorize")
    except LambentError:
        return name if name.startswith("arn:") else scope.arn(name, qualifier)
    return scope.arn(found.name, found.qualifier)


def _lambda_resource(scope: Scope, operation: str, values: Values) -> str:
    if operation in _ANY:
        return "*"
    if name := values.get("FunctionName"):
        qualifier = values.get("Qualifier") if operation in _QUALIFIED else None
        return function_arn(scope, str(name), qualifier)
    for member in ("CodeSigningConfigArn", "ResourceArn", "Resource", "Arn"):
        if arn := values.get(member):
            return str(arn)
    return _named(scope, values)


def _named(scope: Scope, values: Values) -> str:
    """What stands by a name of its own, as an ARN; such names may be ARNs already."""
    layer, uuid, provider = map(values.get, ("LayerName", "UUID", "CapacityProviderName"))
    rest = ""
    if layer:
        version = values.get("VersionNumber")
        rest = f"layer:{layer}" if version is None else f"layer:{layer}:{version}"
    elif uuid:
        rest = f"event-source-mapping:{uuid}"
    elif provider:
        rest = f"capacity-provider:{provider}"
    if not rest:
        return "*"
    if (arn := rest.partition(":")[2]).startswith("arn:"):
        return arn
    return f"arn:{partition(scope.region)}:lambda:{scope.region}:{scope.account}:{rest}"


def _logs_resource(scope: Scope, operation: str, values: Values) -> str:
    here = f"arn:{partition(scope.region)}:logs:{scope.region}:{scope.account}"
    if arn := values.get("resourceArn"):
        return str(arn)
    group = values.get("logGroupName") or values.get("logGroupIdentifier")
    groups = values.get("logGroupIdentifiers")
    if not group and isinstance(groups, list) and len(groups) == 1:
        group = groups[0]
    if group is None and operation != "DescribeLogGroups":
        return "*"
    group = str(group or "")
    if group.startswith("arn:"):
        group = group.split(":", 6)[-1].removesuffix(":*")
    return f"{here}:log-group:{group}:log-stream:{values.get('logStreamName') or ''}"


def _stack_resource(scope: Scope, operation: str, values: Values) -> str:  # noqa: ARG001  as its kin
    name = values.get("StackName")
    if not name:
        return "*"
    if str(name).startswith("arn:"):
        return str(name)
    here = f"arn:{partition(scope.region)}:cloudformation:{scope.region}:{scope.account}"
    return f"{here}:stack/{name}/*"


def _s3_resource(scope: Scope, operation: str, values: Values) -> str:
    bucket, key = values.get("Bucket"), values.get("Key")
    if not bucket:
        return "*"
    objects = key or ("*" if operation == "DeleteObjects" else "")
    here = f"arn:{partition(scope.region)}:s3:::{bucket}"
    return f"{here}/{objects}" if objects else here


def _iam_resource(scope: Scope, operation: str, values: Values) -> str:  # noqa: ARG001  as its kin
    if role := values.get("RoleName"):
        return f"arn:{partition(scope.region)}:iam::{scope.account}:role{values.get('Path') or '/'}{role}"
    if policy := values.get("PolicyName"):
        return f"arn:{partition(scope.region)}:iam::{scope.account}:policy{values.get('Path') or '/'}{policy}"
    return str(values.get("PolicyArn") or "*")


def objects_read(scope: Scope, values: Values) -> list[str]:
    """ARNs of the objects that a request has read: code of functions, sources of copies."""
    here = f"arn:{partition(scope.region)}:s3:::"
    found = [
        f"{here}{source['S3Bucket']}/{source.get('S3Key', '')}"
        for source in (values, values.get("Code"), values.get("Content"))
        if isinstance(source, Mapping) and source.get("S3Bucket")
    ]
    if copied := values.get("CopySource"):
        found.append(here + unquote(str(copied).partition("?")[0]).lstrip("/"))
    return found


_RESOURCES: Final[Mapping[str, Callable[[Scope, str, Values], str]]] = {
    "lambda": _lambda_resource,
    "logs": _logs_resource,
    "cloudformation": _stack_resource,
    "iam": _iam_resource,
    "s3": _s3_resource,
    "sts": lambda scope, operation, values: "*",  # noqa: ARG005  as its kin
}


def conditions(service: str, scope: Scope, operation: str, values: Values) -> dict[str, list[str]]:
    """Condition keys, in lower case, that the request itself gives."""
    found: dict[str, list[str]] = {}
    tags = values.get("Tags") or values.get("tags")
    if isinstance(tags, dict):
        found["aws:tagkeys"] = [str(key) for key in tags]
        found |= {f"aws:requesttag/{key.lower()}": [str(tags[key])] for key in tags}
    if keys := values.get("TagKeys"):
        found["aws:tagkeys"] = [str(key) for key in keys]
    if service == "lambda":
        found |= _lambda_conditions(scope, operation, values)
    return {key: texts for key, texts in found.items() if texts}


def _lambda_conditions(scope: Scope, operation: str, values: Values) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if "EventSourceMapping" in operation and (name := values.get("FunctionName")):
        found["lambda:functionarn"] = [function_arn(scope, str(name))]
    if operation in {"CreateFunction", "UpdateFunctionConfiguration"}:
        found["lambda:layer"] = [str(arn) for arn in values.get("Layers") or ()]
        network = values.get("VpcConfig") or {}
        found["lambda:subnetids"] = [str(one) for one in network.get("SubnetIds") or ()]
        found["lambda:securitygroupids"] = [
            str(one) for one in network.get("SecurityGroupIds") or ()
        ]
    if operation in {"CreateFunction", "PutFunctionCodeSigningConfig"}:
        found["lambda:codesigningconfigarn"] = [str(values.get("CodeSigningConfigArn") or "")]
    if operation in {"CreateFunctionUrlConfig", "UpdateFunctionUrlConfig"}:
        found["lambda:functionurlauthtype"] = [str(values.get("AuthType") or "")]
    if operation == "AddPermission":
        found["lambda:functionurlauthtype"] = [str(values.get("FunctionUrlAuthType") or "")]
        found["lambda:principal"] = [str(values.get("Principal") or "")]
    return {key: texts for key, texts in found.items() if any(texts)}
