"""Half-right requests to the services beside Lambda: buckets, stacks, IAM, STS.

Part of `scripts/soak.py`. Each request is put together from pieces that are right, odd and wrong; an
answer must come, and must not be a fault of the server's own (501 is for what is not served).
"""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from typing import Final
from urllib.parse import quote, urlencode

_QUERIES: Final = (
    "", "uploads", "uploadId=x", "partNumber=1&uploadId=x", "partNumber=abc&uploadId=x",
    "list-type=2", "list-type=2&max-keys=-1", "list-type=2&max-keys=x", "prefix=%FF",
    "list-type=2&continuation-token=%FF%FE", "delete", "versioning", "policy", "tagging", "acl",
    "encryption", "location", "versions", "lifecycle", "publicAccessBlock", "versionId=abc",
)  # fmt: skip
_PATHS: Final = (
    "/", "/bkt", "/bkt/key", "/bkt/k/%2e%2e/%00", "/bkt/%FF", "/bkt/" + "k" * 1100, "/none/key",
    "/A_B", "//x", "/bkt//",
)  # fmt: skip
_BODIES: Final = (
    b"", b"<a>", b"<Delete/>", b"<Delete><Object><Key>k</Key></Object></Delete>", b"\xff\xfe", b"{}",
    b"<Delete><Object/></Delete>", b"<Tagging><TagSet><Tag/></TagSet></Tagging>",
    b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
    b"<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>",
)  # fmt: skip
_HEADERS: Final = (
    ("range", "bytes=abc"), ("range", "bytes=-0"), ("range", "bytes=5-1"), ("if-match", '"'),
    ("x-amz-copy-source", "nokey"), ("x-amz-copy-source", "/bkt/key"), ("content-md5", "!!"),
    ("x-amz-copy-source", "%FF"), ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ("x-amz-decoded-content-length", "abc"), ("if-none-match", "*"), ("x-amz-tagging", "a=b&c"),
    ("x-amz-checksum-crc32", "x"), ("content-encoding", "aws-chunked,gzip"), ("content-type", "\xff"),
)  # fmt: skip
_VALUES: Final = (
    "",
    "x",
    "a/b",
    "\xff",
    "5",
    "-1",
    "{}",
    "[]",
    '{"Statement": 5}',
    "true",
    "x" * 300,
)
_GROUP: Final = {"Type": "AWS::Logs::LogGroup"}
_PARTS: Final = (5, "x", None, [], {}, {"Ref": "A"}, {"Fn::Sub": "${"}, {"Fn::Join": 3}, [{}], True)
_ACTIONS: Final = {
    "iam": (
        ("CreateRole", "RoleName", "AssumeRolePolicyDocument", "Path", "MaxSessionDuration"),
        ("PutRolePolicy", "RoleName", "PolicyName", "PolicyDocument"),
        ("GetRole", "RoleName"), ("DeleteRole", "RoleName"), ("ListRoles", "PathPrefix"),
        ("AttachRolePolicy", "RoleName", "PolicyArn"), ("CreatePolicy", "PolicyName", "PolicyDocument"),
        ("GetPolicyVersion", "PolicyArn", "VersionId"), ("TagRole", "RoleName", "Tags.member.1.Key"),
    ),
    "sts": (("GetCallerIdentity",), ("AssumeRole", "RoleArn"), ("",)),
    "cloudformation": (
        ("CancelUpdateStack", "StackName"), ("ContinueUpdateRollback", "StackName"),
        ("GetTemplate", "StackName", "TemplateStage"), ("DescribeStackEvents", "StackName", "NextToken"),
        ("CreateStack", "StackName", "TemplateURL"), ("DeleteStack", "StackName"),
    ),
}  # fmt: skip


def run(port: int, rng: random.Random, cases: int) -> Counter[int]:
    """Counts of statuses; ends the program at the first fault."""
    counts = Counter[int]()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for case in range(cases):
        method, path, headers, body = _drawn(rng)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError) as error:
            raise SystemExit(f"error: case {case}: {method} {path}: {error!r}") from None
        if answer.status >= 500 and answer.status != 501:
            raise SystemExit(f"error: case {case}: {method} {path} {body[:500]!r}: {answer.status}")
        counts[answer.status] += 1
    connection.close()
    return counts


def _drawn(rng: random.Random) -> tuple[str, str, dict[str, str], bytes]:
    if rng.random() < 0.6:
        query = rng.choice(_QUERIES)
        path = rng.choice(_PATHS) + (f"?{query}" if query else "")
        headers = dict(rng.sample(_HEADERS, rng.randrange(3)))
        method = rng.choice(("GET", "PUT", "POST", "DELETE", "HEAD"))
        return method, path, headers | _signed("s3"), rng.choice(_BODIES)
    service = rng.choice(("iam", "sts", "cloudformation", "cloudformation"))
    if service == "cloudformation" and rng.random() < 0.7:
        form = {"Action": rng.choice(("CreateStack", "ValidateTemplate", "CreateChangeSet")),
            "StackName": f"s{rng.randrange(20)}", "ChangeSetName": "c", "ChangeSetType": "CREATE",
            "TemplateBody": _template(rng)}  # fmt: skip
    else:
        action, *members = rng.choice(_ACTIONS[service])
        form = {"Action": action, **{name: rng.choice(_VALUES) for name in members}}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return "POST", "/", _signed(service) | kind, urlencode(form, quote_via=quote).encode()


def _template(rng: random.Random) -> str:
    """A log group, with something odd somewhere in the document."""
    document: dict[str, object] = {"Resources": {"A": dict(_GROUP)}}
    where = rng.choice(
        ("Properties", "DependsOn", "Condition", "DeletionPolicy", "Outputs", "Rules", "Mappings",
         "Conditions", "Parameters", "Transform", "Metadata", "Description")
    )  # fmt: skip
    odd = rng.choice(_PARTS)
    if where in ("Properties", "DependsOn", "Condition", "DeletionPolicy"):
        document["Resources"] = {"A": {**_GROUP, where: odd}}
    elif rng.random() < 0.5:
        document[where] = odd
    else:
        document[where] = {"N": odd}
    return json.dumps(document)


def _signed(service: str) -> dict[str, str]:
    scope = f"test/20260101/us-east-1/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"
    }
