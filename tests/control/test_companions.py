"""What functions name in other AWS services, looked up in real ones (moto's) over HTTP."""

from __future__ import annotations

import contextlib

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambent.control.aws_clients import AwsClients
from lambent.errors import InvalidParameterValue
from lambent.settings import Settings

QUEUE = "arn:aws:sqs:us-east-1:123456789012:dead"
TOPIC = "arn:aws:sns:us-east-1:123456789012:dead"
KEY = "arn:aws:kms:us-east-1:123456789012:key/6f1a1b5e-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def aws():
    """`aws(service)` makes clients of a moto server that knows the role `lambda`."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"

    def client(service):
        return boto3.client(
            service, endpoint_url=url, region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        )  # fmt: skip

    client.url = url
    iam = client("iam")
    # moto's accounts outlive its servers within a process.
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")
    yield client
    server.stop()


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


async def refused(awaitable):
    with pytest.raises(InvalidParameterValue) as raised:
        await awaitable
    return raised.value.message


def test_a_role_that_iam_does_not_know_cannot_be_assumed(world, aws):
    async def main(w):
        await w.create()
        unknown = "arn:aws:iam::123456789012:role/service/nobody"
        text = "The role defined for the function cannot be assumed by Lambda."
        assert await refused(w.create("other", Role=unknown)) == text
        update = w.do("UpdateFunctionConfiguration", FunctionName="fn", Role=unknown)
        assert await refused(update) == text
        # Another account's IAM is not asked.
        await w.create("foreign", Role="arn:aws:iam::999999999999:role/nobody")

    world(main, aws_endpoint_url=aws.url)


@pytest.mark.slow
def test_subnets_and_groups_are_looked_up_and_tell_the_vpc(world, aws):
    ec2 = aws("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=subnet["VpcId"])
    inside = {"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [group["GroupId"]]}

    async def main(w):
        created = await w.create(VpcConfig=inside)
        assert created["VpcConfig"] == {
            **inside,
            "VpcId": subnet["VpcId"],
            "Ipv6AllowedForDualStack": False,
        }
        absent = {**inside, "SubnetIds": ["subnet-0123456789abcdef0"]}
        assert await refused(w.create("other", VpcConfig=absent)) == (
            "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. "
            "EC2 Error Message: The subnet ID 'subnet-0123456789abcdef0' does not exist"
        )
        absent = {**inside, "SecurityGroupIds": ["sg-0123456789abcdef0"]}
        assert (await refused(w.create("other", VpcConfig=absent))).startswith(
            "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. "
        )
        outside = await w.do(
            "UpdateFunctionConfiguration",
            FunctionName="fn",
            VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        )
        assert outside["VpcConfig"]["VpcId"] == ""

    world(main, aws_endpoint_url=aws.url)


@pytest.mark.slow
def test_keys_queues_and_topics_must_exist(world, aws):
    async def main(w):
        assert (await refused(w.create(KMSKeyArn=KEY))).startswith(
            "Lambda was unable to configure access to your environment variables because the KMS "
            "key is invalid for CreateGrant. Please check your KMS key settings. "
            "KMS Exception: NotFoundException KMS Message: "
        )
        for target in (QUEUE, TOPIC):
            text = await refused(w.create(DeadLetterConfig={"TargetArn": target}))
            assert text == f"The target {target} does not exist."
        aws("sqs").create_queue(QueueName="dead")
        aws("sns").create_topic(Name="dead")
        key = aws("kms").create_key()["KeyMetadata"]["Arn"]
        created = await w.create(DeadLetterConfig={"TargetArn": QUEUE}, KMSKeyArn=key)
        assert created["DeadLetterConfig"] == {"TargetArn": QUEUE}
        await w.create("other", DeadLetterConfig={"TargetArn": TOPIC})

    world(main, aws_endpoint_url=aws.url)


def test_without_an_endpoint_nothing_is_asked(world):
    async def main(w):
        created = await w.create(
            Role="arn:aws:iam::123456789012:role/nobody",
            KMSKeyArn=KEY,
            DeadLetterConfig={"TargetArn": QUEUE},
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        )
        assert created["VpcConfig"]["VpcId"].startswith("vpc-")

    world(main)


def test_a_companion_that_cannot_be_reached_refuses_nothing(world):
    async def main(w):
        await w.create(Role="arn:aws:iam::123456789012:role/nobody")

    world(main, aws_endpoint_url="http://127.0.0.1:1")


def test_a_service_has_its_own_endpoint_or_the_common_one_and_never_this_server():
    environ = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:4100",
    }
    clients = AwsClients(Settings(port=9000), environ)
    assert clients.endpoint("sqs") == "http://127.0.0.1:4100"
    assert clients.endpoint("iam") is None
    assert AwsClients(Settings(port=9001), environ).endpoint("iam") == "http://127.0.0.1:9000"
    setting = Settings(aws_endpoint_url="http://aws.example")
    assert AwsClients(setting, environ).endpoint("sqs") == "http://aws.example"
