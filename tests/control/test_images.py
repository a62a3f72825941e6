"""Container images as code: what is asked, answered and refused (LAMBDA.md 72)."""

from __future__ import annotations

import json

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambent.control.code_signing import (
    AllowedPublishers,
    CreateCodeSigningConfig,
    FunctionConfig,
    PutFunctionConfig,
)
from lambent.errors import InvalidParameterValue

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/model"
DIGEST = "a" * 64


async def refused(awaitable):
    with pytest.raises(InvalidParameterValue) as raised:
        await awaitable
    return raised.value.message


async def create(w, uri=f"{REPOSITORY}:v1", **members):
    asked = {"FunctionName": "fn", "Role": w.ROLE, "Code": {"ImageUri": uri}, **members}
    answer = await w.do("CreateFunction", PackageType="Image", **asked)
    await w.settle()
    return answer


def test_an_image_has_no_runtime_and_is_found_by_its_digest(world):
    async def main(w):
        created = await create(w, f"{REPOSITORY}@sha256:{DIGEST}")
        assert created["PackageType"] == "Image"
        assert (created["CodeSha256"], created["CodeSize"]) == (DIGEST, 0)
        assert not {"Runtime", "Handler", "RuntimeVersionConfig"} & created.keys()
        assert (await w.get())["State"] == "Active"
        got = await w.do("GetFunction", FunctionName="fn")
        assert got["Code"] == {
            "RepositoryType": "ECR",
            "ImageUri": f"{REPOSITORY}@sha256:{DIGEST}",
            "ResolvedImageUri": f"{REPOSITORY}@sha256:{DIGEST}",
        }
        assert w.target().image_uri == f"{REPOSITORY}@sha256:{DIGEST}"
        await w.do("PublishVersion", FunctionName="fn", CodeSha256=DIGEST)
        await w.do("UpdateFunctionCode", FunctionName="fn", ImageUri=f"{REPOSITORY}:v2")
        await w.settle()
        shown = await w.do("GetFunction", FunctionName="fn")
        assert shown["Code"]["ImageUri"] == f"{REPOSITORY}:v2"
        digest = shown["Configuration"]["CodeSha256"]
        assert shown["Code"]["ResolvedImageUri"] == f"{REPOSITORY}@sha256:{digest}"
        assert digest != DIGEST

    world(main)


def test_it_is_there_after_a_restart(world):
    async def first(w):
        await create(w)

    async def second(w):
        assert (await w.get())["State"] == "Active"

    world(first)
    world(second)


def test_an_update_replaces_the_image_config_whole_and_an_empty_one_removes_it(world):
    async def main(w):
        config = {"EntryPoint": ["/bin/run"], "Command": ["app.handler"]}
        created = await create(w, ImageConfig=config)
        assert created["ImageConfigResponse"] == {"ImageConfig": config}
        assert (w.target().entry_point, w.target().command) == (("/bin/run",), ("app.handler",))
        update = {"FunctionName": "fn", "ImageConfig": {"WorkingDirectory": "/srv"}}
        updated = await w.do("UpdateFunctionConfiguration", **update)
        assert updated["ImageConfigResponse"] == {"ImageConfig": {"WorkingDirectory": "/srv"}}
        await w.settle()
        emptied = await w.do("UpdateFunctionConfiguration", FunctionName="fn", ImageConfig={})
        assert "ImageConfigResponse" not in emptied

    world(main)


def test_what_does_not_go_together_is_refused(world):
    async def main(w):
        other = (
            "Please don't provide Handler or Runtime or Layer when the intended function "
            "PackageType is Image."
        )
        assert await refused(create(w, Runtime="python3.12")) == other
        missing = w.do(
            "CreateFunction", FunctionName="fn", Role=w.ROLE, Code={}, PackageType="Image"
        )
        assert "ImageUri" in await refused(missing)
        await create(w)
        assert await refused(w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=b"x")) == (
            "Please provide ImageUri when updating a function with packageType Image."
        )
        update = w.do("UpdateFunctionConfiguration", FunctionName="fn", Handler="a.b")
        assert await refused(update) == other
        await w.create("zipped")
        update = w.do("UpdateFunctionCode", FunctionName="zipped", ImageUri=f"{REPOSITORY}:v1")
        assert await refused(update) == (
            "Please don't provide ImageUri when updating a function with packageType Zip."
        )

    world(main)


@pytest.mark.slow
def test_where_ecr_is_configured_the_image_must_be_there(world, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", url)
    ecr = boto3.client("ecr", endpoint_url=url, region_name="us-east-1")
    ecr.create_repository(repositoryName="model")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {"schemaVersion": 2, "mediaType": kind, "config": {}, "layers": []}
    pushed = ecr.put_image(
        repositoryName="model", imageManifest=json.dumps(manifest), imageTag="v1"
    )

    async def main(w):
        created = await create(w)
        assert f"sha256:{created['CodeSha256']}" == pushed["image"]["imageId"]["imageDigest"]
        update = w.do("UpdateFunctionCode", FunctionName="fn", ImageUri=f"{REPOSITORY}:v9")
        assert await refused(update) == (
            f"Source image {REPOSITORY}:v9 does not exist. Provide a valid source image."
        )

    try:
        world(main)
    finally:
        ecr.delete_repository(repositoryName="model", force=True)
        server.stop()


def test_an_image_cannot_have_a_code_signing_config(world):
    async def main(w):
        publisher = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/mine/abcdefghij"
        config = await w.control.code_signing.create(
            w.SCOPE,
            CreateCodeSigningConfig(
                allowed_publishers=AllowedPublishers(signing_profile_version_arns=(publisher,))
            ),
        )
        arn = config["CodeSigningConfig"]["CodeSigningConfigArn"]
        text = "Code signing is not supported for functions created with container images."
        assert await refused(create(w, CodeSigningConfigArn=arn)) == text
        await create(w)
        signing = w.control.code_signing
        put = PutFunctionConfig(function_name="fn", code_signing_config_arn=arn)
        assert await refused(signing.put_function(w.SCOPE, put)) == text
        named = FunctionConfig(function_name="fn")
        assert await refused(signing.get_function(w.SCOPE, named)) == text
        assert await refused(signing.delete_function(w.SCOPE, named)) == text

    world(main)
