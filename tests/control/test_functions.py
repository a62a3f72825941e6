"""Functions: what is answered, what is refused, and what the engine hears, step by step."""

from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest

from lambent.errors import (
    CodeStorageExceeded,
    InvalidParameterValue,
    PreconditionFailed,
    RequestEntityTooLarge,
    ResourceConflict,
    ResourceNotFound,
    ValidationException,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"
IN_PROGRESS = (
    f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}"
)


def digest(package):
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


async def refused(awaitable, error):
    with pytest.raises(error) as raised:
        await awaitable
    assert type(raised.value) is error
    return raised.value.message


def test_create_answers_pending_and_becomes_active(world):
    async def main(w):
        package = w.make_zip()
        created = await w.create(Code={"ZipFile": package}, settled=False)
        revision = created.pop("RevisionId")
        assert created == {
            "FunctionName": "fn",
            "FunctionArn": ARN,
            "Runtime": "python3.12",
            "Role": w.ROLE,
            "Handler": "app.handler",
            "CodeSize": len(package),
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "LastModified": "2023-11-14T22:13:20.000+0000",
            "CodeSha256": digest(package),
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "RuntimeVersionConfig": {
                "RuntimeVersionArn": f"arn:aws:lambda:us-east-1::runtime:{b'python3.12'.hex()}"
            },
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/fn"},
        }
        assert w.target().state == "Pending"
        await w.clock.advance(0.29)
        assert (await w.get())["State"] == "Pending"
        await w.settle()
        settled = await w.get()
        assert settled["State"] == "Active"
        assert settled["LastUpdateStatus"] == "Successful"
        assert "StateReason" not in settled
        assert settled["RevisionId"] != revision
        target = w.target()
        assert target.state == "Active"
        assert (target.code_path / "app.py").read_text().startswith("def handler")
        assert (target.memory_mb, target.timeout_s, target.ephemeral_mb) == (128, 3, 512)
        assert target.log_group == "/aws/lambda/fn"
        assert target.arn == f"{ARN}:$LATEST"

    world(main)


def test_without_a_delay_the_answer_is_the_same_and_the_function_is_ready(world):
    async def main(w):
        created = await w.create(settled=False, Publish=True)
        assert created["State"] == "Pending"
        for qualifier in (None, "1"):
            assert (await w.get(qualifier=qualifier))["State"] == "Active"
        updated = await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        assert updated["LastUpdateStatus"] == "InProgress"
        assert (await w.get())["LastUpdateStatus"] == "Successful"
        assert w.target().timeout_s == 9
        assert len(w.listener.pushes) == 2

    world(main, state_delay_s=0)


def test_everything_that_is_given_is_shown(world):
    async def main(w):
        subnets, groups = ["subnet-1", "subnet-2"], ["sg-1"]
        created = await w.create(
            Description="d",
            Timeout=900,
            MemorySize=10240,
            Environment={"Variables": {"A": "1"}},
            KMSKeyArn="arn:aws:kms:us-east-1:123456789012:key/k",
            DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"},
            TracingConfig={"Mode": "Active"},
            Architectures=["arm64"],
            EphemeralStorage={"Size": 10240},
            SnapStart={"ApplyOn": "PublishedVersions"},
            LoggingConfig={"LogFormat": "JSON", "LogGroup": "g"},
            VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": groups},
            FileSystemConfigs=[{"Arn": "arn:fs", "LocalMountPath": "/mnt/x"}],
            Tags={"team": "ml"},
        )
        assert created["Timeout"] == 900
        assert created["MemorySize"] == 10240
        assert created["Environment"] == {"Variables": {"A": "1"}}
        assert created["KMSKeyArn"] == "arn:aws:kms:us-east-1:123456789012:key/k"
        assert created["DeadLetterConfig"] == {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"}
        assert created["TracingConfig"] == {"Mode": "Active"}
        assert created["Architectures"] == ["arm64"]
        assert created["EphemeralStorage"] == {"Size": 10240}
        assert created["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
        assert created["LoggingConfig"] == {
            "LogFormat": "JSON",
            "LogGroup": "g",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
        }
        vpc = created["VpcConfig"]
        assert vpc.pop("VpcId").startswith("vpc-")
        assert vpc == {
            "SubnetIds": subnets,
            "SecurityGroupIds": groups,
            "Ipv6AllowedForDualStack": False,
        }
        assert created["FileSystemConfigs"] == [{"Arn": "arn:fs", "LocalMountPath": "/mnt/x"}]
        got = await w.do("GetFunction", FunctionName="fn")
        assert got["Tags"] == {"team": "ml"}
        assert "Concurrency" not in got
        assert not w.target().snap_start  # only published versions

    world(main)


def test_an_update_shows_at_once_and_serves_later(world):
    async def main(w):
        await w.create()
        before = w.target()
        pushes = len(w.listener.pushes)
        updated = await w.do(
            "UpdateFunctionConfiguration", FunctionName="fn", MemorySize=512, Description="new"
        )
        assert updated["State"] == "Active"
        assert updated["LastUpdateStatus"] == "InProgress"
        assert updated["LastUpdateStatusReason"] == "The function is being created."
        assert updated["LastUpdateStatusReasonCode"] == "Creating"
        assert updated["MemorySize"] == 512
        assert w.target() is before
        assert len(w.listener.pushes) == pushes  # nothing that matters to running has changed
        # Other changes meanwhile still leave the old one serving.
        await w.do("PutFunctionConcurrency", FunctionName="fn", ReservedConcurrentExecutions=5)
        assert w.target().memory_mb == 128
        await w.settle()
        assert w.target().memory_mb == 512
        assert w.target().generation != before.generation
        assert (await w.get())["LastUpdateStatus"] == "Successful"

    world(main)


def test_every_change_and_every_transition_has_a_revision_of_its_own(world):
    async def main(w):
        seen = [(await w.create(settled=False))["RevisionId"]]
        await w.settle()
        seen.append((await w.get())["RevisionId"])
        for _ in range(2):  # the second changes nothing, and counts all the same
            answer = await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=5)
            seen.append(answer["RevisionId"])
            await w.settle()
            seen.append((await w.get())["RevisionId"])
        for _ in range(2):
            code = {"ZipFile": w.make_zip("same")}
            answer = await w.do("UpdateFunctionCode", FunctionName="fn", **code)
            assert answer["LastUpdateStatus"] == "InProgress"
            seen.append(answer["RevisionId"])
            await w.settle()
            seen.append((await w.get())["RevisionId"])
        assert len(set(seen)) == len(seen)

    world(main)


def test_a_second_change_during_one_is_a_conflict(world):
    async def main(w):
        await w.create(settled=False)
        pending = (
            "The operation cannot be performed at this time. "
            "The function is currently in the following state: Pending"
        )
        code = {"ZipFile": w.make_zip("2")}
        for operation, members in (
            ("UpdateFunctionConfiguration", {"Timeout": 4}),
            ("UpdateFunctionCode", code),
            ("PublishVersion", {}),
        ):
            asked = w.do(operation, FunctionName="fn", **members)
            assert await refused(asked, ResourceConflict) == pending
        await w.settle()
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=4)
        for operation, members in (
            ("UpdateFunctionConfiguration", {"Timeout": 5}),
            ("UpdateFunctionCode", code),
            ("PublishVersion", {}),
        ):
            asked = w.do(operation, FunctionName="fn", **members)
            assert await refused(asked, ResourceConflict) == IN_PROGRESS
        await w.settle()
        await w.do("UpdateFunctionCode", FunctionName="fn", **code)

    world(main)


def test_of_two_code_updates_at_once_one_wins(world):
    async def main(w):
        await w.create()
        packages = [w.make_zip(f"# {n}") for n in range(6)]
        done = await asyncio.gather(
            *(w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=p) for p in packages),
            return_exceptions=True,
        )
        won = [answer for answer in done if isinstance(answer, dict)]
        lost = [answer for answer in done if isinstance(answer, ResourceConflict)]
        assert len(won) == 1
        assert len(lost) == 5
        await w.settle()
        assert (await w.get())["CodeSha256"] == won[0]["CodeSha256"]

    world(main)


def test_of_many_creations_at_once_one_wins(world):
    async def main(w):
        done = await asyncio.gather(
            *(w.create(settled=False) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(answer, dict) for answer in done) == 1
        texts = {str(answer) for answer in done if isinstance(answer, ResourceConflict)}
        assert texts == {"Function already exist: fn"}

    world(main)


def test_a_function_deleted_in_the_middle_of_an_update_stays_deleted(world):
    async def main(w):
        await w.create()
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        await w.do("DeleteFunction", FunctionName="fn")
        assert w.listener.targets == {}
        # Made again before the old transition's time: that one must not touch the new function.
        again = await w.create(settled=False)
        await w.settle()
        settled = await w.get()
        assert settled["State"] == "Active"
        assert settled["Timeout"] == 3
        assert settled["RevisionId"] != again["RevisionId"]
        assert (
            len([p for p in w.listener.pushes if p and p.versions["$LATEST"].timeout_s == 9]) == 0
        )

    world(main)


def test_a_caller_that_goes_away_leaves_no_half_change(world):
    async def main(w):
        await w.create()
        for cycles in range(6):
            task = asyncio.ensure_future(
                w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=10 + cycles)
            )
            for _ in range(cycles):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await w.settle()
            shown = await w.get()
            assert shown["LastUpdateStatus"] == "Successful"
            assert w.target().timeout_s == shown["Timeout"]
            stored = await w.database.read(lambda c: c.execute("SELECT document FROM versions").get)
            assert f'"timeout_s":{shown["Timeout"]}' in bytes(stored).decode()

    world(main)


def test_partial_updates_keep_the_rest(world):
    async def main(w):
        await w.create(
            Description="d",
            Environment={"Variables": {"A": "1"}},
            DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"},
            KMSKeyArn="arn:aws:kms:us-east-1:123456789012:key/k",
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"},
        )

        async def update(**members):
            answer = await w.do("UpdateFunctionConfiguration", FunctionName="fn", **members)
            await w.settle()
            return answer

        answer = await update(Runtime="python3.13", Handler="b.h")
        assert answer["Environment"] == {"Variables": {"A": "1"}}
        assert answer["Description"] == "d"
        assert answer["RuntimeVersionConfig"]["RuntimeVersionArn"].endswith(b"python3.13".hex())
        answer = await update(LoggingConfig={"SystemLogLevel": "WARN"})
        assert answer["LoggingConfig"] == {
            "LogFormat": "JSON",
            "LogGroup": "/aws/lambda/fn",
            "ApplicationLogLevel": "DEBUG",
            "SystemLogLevel": "WARN",
        }
        answer = await update(LoggingConfig={"LogFormat": "Text"})
        assert answer["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/fn"}
        answer = await update(
            Environment={}, DeadLetterConfig={"TargetArn": ""}, KMSKeyArn="", Description=""
        )
        assert answer["Environment"] == {"Variables": {}}
        assert "DeadLetterConfig" not in answer
        assert "KMSKeyArn" not in answer
        assert answer["Description"] == ""
        answer = await update(VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
        assert answer["VpcConfig"] == {
            "SubnetIds": [],
            "SecurityGroupIds": [],
            "VpcId": "",
            "Ipv6AllowedForDualStack": False,
        }

    world(main)


LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:"


@pytest.mark.parametrize(
    ("members", "error", "text"),
    [
        (
            {"Runtime": "ruby3.2"},
            InvalidParameterValue,
            (
                "The runtime parameter of ruby3.2 is no longer supported for creating or updating AWS "
                "Lambda functions. We recommend you use a supported runtime while creating or updating "
                "functions."
            ),
        ),
        (
            {"Timeout": 901},
            ValidationException,
            (
                "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: "
                "Member must have value less than or equal to 900"
            ),
        ),
        (
            {"MemorySize": 10241},
            InvalidParameterValue,
            (
                "'MemorySize' value failed to satisfy constraint: "
                "Member must have value less than or equal to 10240"
            ),
        ),
        (
            {"EphemeralStorage": {"Size": 10241}},
            ValidationException,
            (
                "1 validation error detected: Value '10241' at 'ephemeralStorage.size' failed to "
                "satisfy constraint: Member must have value less than or equal to 10240"
            ),
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x", "A": "1", "_HANDLER": "y"}}},
            InvalidParameterValue,
            (
                "Lambda was unable to configure your environment variables because the environment "
                "variables you have provided contains reserved keys that are currently not supported "
                "for modification. Reserved keys used in this request: AWS_REGION, _HANDLER"
            ),
        ),
        (
            {"Environment": {"Variables": {"BIG": "é" * 2100}}},
            InvalidParameterValue,
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided exceeded the 4KB limit. String measured: "
            '{"BIG":"' + "é" * 2100 + '"}',
        ),
        (
            {"Layers": [f"{LAYER}l{n}:1" for n in range(6)]},
            InvalidParameterValue,
            "Cannot reference more than 5 layers.",
        ),
        (
            {"Layers": [f"{LAYER}a:1", f"{LAYER}b:1", f"{LAYER}a:2"]},
            InvalidParameterValue,
            (
                "Two different versions of the same layer are not allowed to be referenced in the same "
                f"function. {LAYER}a:1 and {LAYER}a:2 are versions of the same layer."
            ),
        ),
        (
            {"Layers": [f"{LAYER}a:1".replace("us-east-1", "eu-west-1")]},
            InvalidParameterValue,
            (
                "Layers are not in the same region as the function. Layers are expected to be in region "
                "us-east-1."
            ),
        ),
        (
            {"Layers": [f"{LAYER}a:1"]},
            InvalidParameterValue,
            f"Layer version {LAYER}a:1 does not exist.",
        ),
        (
            {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}},
            InvalidParameterValue,
            "SecurityGroupIds and SubnetIds must coexist or be both empty list.",
        ),
        (
            {"LoggingConfig": {"ApplicationLogLevel": "INFO"}},
            InvalidParameterValue,
            "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.",
        ),
        (
            {"ImageConfig": {"Command": ["x"]}},
            InvalidParameterValue,
            "Please don't provide ImageConfig when the intended function PackageType is Zip.",
        ),
    ],
)
def test_what_no_function_may_have(world, members, error, text):
    async def main(w):
        assert await refused(w.create(**members), error) == text
        await w.create()
        before = await w.get()
        update = w.do("UpdateFunctionConfiguration", FunctionName="fn", **members)
        assert await refused(update, error) == text
        assert await w.get() == before

    world(main)


def test_an_environment_of_exactly_4_kb_is_fine(world):
    async def main(w):
        await w.create(Environment={"Variables": {"BIG": "x" * (4096 - 10)}})
        assert await refused(
            w.create("b", Environment={"Variables": {"BIG": "x" * (4096 - 9)}}),
            InvalidParameterValue,
        )

    world(main)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            {"Runtime": None},
            (
                "Runtime and Handler are mandatory parameters for functions created with deployment "
                "packages."
            ),
        ),
        (
            {"Handler": None},
            (
                "Runtime and Handler are mandatory parameters for functions created with deployment "
                "packages."
            ),
        ),
        ({"Code": {}}, "Please provide a source for function code."),
        ({"Code": {"S3Bucket": "bucket"}}, "Please provide a source for function code."),
        (
            {"Code": {"ZipFile": b"x", "S3Bucket": "bucket", "S3Key": "k"}},
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        ({"Code": {"ZipFile": b""}}, "Uploaded file must be a non-empty zip"),
        (
            {"Code": {"ZipFile": b"no zip"}},
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
        (
            {"Code": {"ImageUri": "x"}},
            "Please don't provide ImageUri when creating a function with packageType Zip.",
        ),
        (
            {"PackageType": "Image", "Code": {"ImageUri": "x"}},
            (
                "Please don't provide Handler or Runtime or Layer when the intended function "
                "PackageType is Image."
            ),
        ),
        ({"Tags": {str(n): "" for n in range(51)}}, "Number of tags exceeds resource tag limit."),
    ],
)
def test_what_cannot_be_created(world, members, text):
    async def main(w):
        assert await refused(w.create(**members), InvalidParameterValue) == text
        assert (await w.do("ListFunctions"))["Functions"] == []

    world(main)


def test_a_package_of_50_mb_is_too_large(world):
    async def main(w):
        text = await refused(w.create(Code={"ZipFile": bytes(52_428_800)}), RequestEntityTooLarge)
        assert text == "Zipped size must be smaller than 52428800 bytes"

    world(main)


def test_a_package_of_250_mb_unzipped_is_too_large(world):
    async def main(w):
        package = bytearray(w.make_zip("x"))
        at = package.rindex(b"PK\x01\x02")  # the central directory's one entry: its declared size
        package[at + 24 : at + 28] = (262_144_000).to_bytes(4, "little")
        package[at + 10 : at + 12] = (8).to_bytes(2, "little")
        text = await refused(w.create(Code={"ZipFile": bytes(package)}), InvalidParameterValue)
        assert text == "Unzipped size must be smaller than 262144000 bytes"

    world(main)


def test_code_updates(world):
    async def main(w):
        await w.create()
        old = w.target()
        package = w.make_zip("# two")
        answer = await w.do(
            "UpdateFunctionCode", FunctionName="fn", ZipFile=package, Architectures=["arm64"]
        )
        assert answer["CodeSha256"] == digest(package)
        assert answer["CodeSize"] == len(package)
        assert answer["Architectures"] == ["arm64"]
        assert answer["RuntimeVersionConfig"]["RuntimeVersionArn"] == old.runtime_version_arn
        assert w.target() is old
        await w.settle()
        assert (w.target().code_path / "app.py").read_text() == "# two"
        assert (old.code_path / "app.py").exists()  # an environment may still be running it
        answer = await w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=w.make_zip())
        assert answer["Architectures"] == ["arm64"]

    world(main)


def test_a_dry_run_checks_and_changes_nothing(world):
    async def main(w):
        await w.create()
        before = await w.get()
        package = w.make_zip("# two")
        answer = await w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=package, DryRun=True)
        assert answer["CodeSha256"] == digest(package)
        assert answer["LastUpdateStatus"] == "Successful"
        assert await w.get() == before
        bad = w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=b"no", DryRun=True)
        await refused(bad, InvalidParameterValue)

    world(main)


def test_image_uri_for_a_zip_function(world):
    async def main(w):
        await w.create()
        assert (
            await refused(
                w.do("UpdateFunctionCode", FunctionName="fn", ImageUri="x"), InvalidParameterValue
            )
            == "Please don't provide ImageUri when updating a function with packageType Zip."
        )

    world(main)


def test_publish_with_a_code_update_answers_the_version(world):
    async def main(w):
        await w.create()
        answer = await w.do(
            "UpdateFunctionCode", FunctionName="fn", ZipFile=w.make_zip("2"), Publish=True
        )
        assert answer["Version"] == "1"
        assert answer["FunctionArn"] == f"{ARN}:1"
        assert answer["State"] == "Pending"
        assert "LastUpdateStatus" not in answer
        latest = await w.get()
        assert (latest["State"], latest["LastUpdateStatus"]) == ("Active", "InProgress")
        assert latest["RevisionId"] != answer["RevisionId"]
        await w.settle()
        assert (await w.get(qualifier="1"))["State"] == "Active"
        assert (w.target("1").code_path / "app.py").read_text() == "2"
        assert w.target("1").generation != w.target().generation

    world(main)


def test_revision_preconditions(world):
    async def main(w):
        await w.create()
        text = (
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
        for operation, members in (
            ("UpdateFunctionConfiguration", {"Timeout": 4}),
            ("UpdateFunctionCode", {"ZipFile": w.make_zip("2")}),
            ("PublishVersion", {}),
        ):
            asked = w.do(operation, FunctionName="fn", RevisionId="old", **members)
            assert await refused(asked, PreconditionFailed) == text
            current = (await w.get())["RevisionId"]
            await w.do(operation, FunctionName="fn", RevisionId=current, **members)
            await w.settle()

    world(main)


def test_get_by_every_qualifier(world):
    async def main(w):
        await w.create(Publish=True)
        await w.do("CreateAlias", FunctionName="fn", Name="live", FunctionVersion="1")
        for qualifier, version in (
            (None, "$LATEST"),
            ("$LATEST", "$LATEST"),
            ("1", "1"),
            ("live", "1"),
        ):
            shown = await w.get(qualifier=qualifier)
            assert shown["Version"] == version
            assert shown["FunctionArn"] == (ARN if qualifier is None else f"{ARN}:{qualifier}")
        for qualifier in ("2", "$latest", "nope", "0"):
            text = await refused(w.get(qualifier=qualifier), ResourceNotFound)
            assert text == f"Function not found: {ARN}:{qualifier}"
        assert await refused(w.get("other"), ResourceNotFound) == (
            "Function not found: arn:aws:lambda:us-east-1:123456789012:function:other"
        )

    world(main)


def test_the_download_link_works_and_ends(world):
    async def main(w):
        package = w.make_zip()
        await w.create(Code={"ZipFile": package})
        code = (await w.do("GetFunction", FunctionName="fn"))["Code"]
        assert code["RepositoryType"] == "S3"
        base, _, token = code["Location"].rpartition("/")
        assert base == "http://here/_code"
        open_code = w.control.open_code
        assert (await open_code(token)).read_bytes() == package
        expires, sha256, seal = token.split(".")
        later = f"{int(expires, 16) + 1:x}"
        for forged in (
            f"{later}.{sha256}.{seal}",
            f"{expires}.{'0' * 64}.{seal}",
            f"{expires}.{sha256}.{'0' * 64}",
            f"{expires}.{sha256}",
            "..",
            "",
            "é.é.é",
            "../../../etc/passwd",
        ):
            assert await open_code(forged) is None
        await w.clock.advance(599)
        assert await open_code(token) is not None
        await w.clock.advance(1)
        assert await open_code(token) is None

    world(main)


def test_delete(world):
    async def main(w):
        await w.create(Publish=True)
        await w.do("CreateAlias", FunctionName="fn", Name="live", FunctionVersion="1")

        async def delete(qualifier=None, name="fn"):
            await w.do("DeleteFunction", FunctionName=name, Qualifier=qualifier)

        assert await refused(delete("$LATEST"), InvalidParameterValue) == (
            "$LATEST version cannot be deleted without deleting the function."
        )
        assert await refused(delete("$latest"), ResourceNotFound) == f"Function not found: {ARN}"
        assert await refused(delete("1"), ResourceConflict) == (
            "Unable to delete version because the following aliases reference it: [live]"
        )
        await refused(delete("live"), InvalidParameterValue)
        await delete("7")  # never existed: as good as deleted
        await w.do("DeleteAlias", FunctionName="fn", Name="live")
        await delete("1")
        assert "1" not in w.listener.targets[*w.SCOPE, "fn"].versions
        await refused(w.get(qualifier="1"), ResourceNotFound)
        await delete()
        assert w.listener.targets == {}
        assert await refused(delete(), ResourceNotFound) == f"Function not found: {ARN}"
        assert await refused(delete("$latest"), ResourceNotFound) == f"Function not found: {ARN}"

    world(main)


def test_list_and_its_pages(world):
    async def main(w):
        for name in ("c", "a", "b"):
            await w.create(name, Publish=name == "b")
        listed = await w.do("ListFunctions")
        assert [f["FunctionName"] for f in listed["Functions"]] == ["a", "b", "c"]
        assert "NextMarker" not in listed
        for function in listed["Functions"]:
            assert function["FunctionArn"].endswith(f":function:{function['FunctionName']}")
            for absent in ("State", "LastUpdateStatus", "RuntimeVersionConfig"):
                assert absent not in function
        seen, marker = [], None
        while True:
            answer = await w.do("ListFunctions", FunctionVersion="ALL", MaxItems=1, Marker=marker)
            seen.extend(f["FunctionArn"].rpartition("function:")[2] for f in answer["Functions"])
            marker = answer.get("NextMarker")
            if marker is None:
                break
            assert len(seen) < 10
        assert seen == ["a:$LATEST", "b:$LATEST", "b:1", "c:$LATEST"]
        for marker in ("no marker", "bnVsbA==", "é", "WzEsMl0="):
            await refused(w.do("ListFunctions", Marker=marker), InvalidParameterValue)

    world(main)


def test_pages_stay_right_while_functions_come_and_go(world):
    async def main(w):
        for n in range(60):
            await w.create(f"f{n:02}", settled=False)
        first = await w.do("ListFunctions", MaxItems=10_000)
        assert len(first["Functions"]) == 50
        await w.do("DeleteFunction", FunctionName="f49")
        await w.create("f00a", settled=False)
        rest = await w.do("ListFunctions", Marker=first["NextMarker"])
        assert [f["FunctionName"] for f in rest["Functions"]] == [f"f{n}" for n in range(50, 60)]

    world(main)


def test_accounts_and_regions_live_side_by_side(world):
    from lambent.control.names import Scope

    async def main(w):
        other, there = Scope("111122223333", "us-east-1"), Scope("123456789012", "eu-west-1")
        await w.create()
        await w.create(scope=other, MemorySize=256)
        await w.create(scope=there, MemorySize=512)
        assert (await w.get(scope=other))["MemorySize"] == 256
        assert (await w.get(scope=there))["FunctionArn"] == ARN.replace("us-east-1", "eu-west-1")
        await w.do("DeleteFunction", FunctionName="fn")
        assert (await w.get(scope=other))["MemorySize"] == 256
        assert set(w.listener.targets) == {(*other, "fn"), (*there, "fn")}

    world(main)


def test_the_total_of_code_is_limited(world, monkeypatch):
    from lambent.control import functions

    async def main(w):
        size = len(w.make_zip())
        monkeypatch.setattr(functions, "TOTAL_CODE_LIMIT", 2 * size)
        await w.create("a")
        assert await refused(w.create("b", Publish=True), CodeStorageExceeded) == (
            "Code storage limit exceeded."
        )
        await w.create("b")

    world(main)


def test_tenancy_is_decided_at_creation_and_shown_ever_after(world):
    async def main(w):
        tenancy = {"TenantIsolationMode": "PER_TENANT"}
        assert (await w.create(TenancyConfig=tenancy))["TenancyConfig"] == tenancy
        updated = await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        assert updated["TenancyConfig"] == tenancy
        await w.settle()
        assert w.target().tenant_isolation
        text = await refused(
            w.create("other", TenancyConfig=tenancy, SnapStart={"ApplyOn": "PublishedVersions"}),
            InvalidParameterValue,
        )
        assert text == "SnapStart is not supported for functions with TenancyConfig."

    world(main)


def test_a_file_system_needs_a_vpc_and_keeps_how_it_is_read(world):
    efs = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0"
    s3 = (
        "arn:aws:s3files:us-east-1:123456789012:file-system/fs-0123456789abcdef0/access-point/"
        "fsap-0123456789abcdef0"
    )
    vpc = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    direct = {"DirectS3Read": "AUTO"}

    async def main(w):
        bare = {"Arn": efs, "LocalMountPath": "/mnt/x"}
        assert await refused(w.create(FileSystemConfigs=[bare]), InvalidParameterValue) == (
            f"Function must be configured to execute in a VPC to reference access point {efs}."
        )
        wrong = {**bare, "S3FilesConfig": direct}
        text = await refused(
            w.create(FileSystemConfigs=[wrong], VpcConfig=vpc), InvalidParameterValue
        )
        assert text == "S3FilesConfig is valid only for Amazon S3 Files access points."
        right = {"Arn": s3, "LocalMountPath": "/mnt/x", "S3FilesConfig": direct}
        created = await w.create(FileSystemConfigs=[right], VpcConfig=vpc)
        assert created["FileSystemConfigs"] == [right]
        await w.settle()
        assert w.target().file_systems == ((s3, "/mnt/x"),)

    world(main)
