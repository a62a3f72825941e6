"""What functions are deployed beside: buckets, queues, topics and tables, at the configured endpoint.

(AWS CloudFormation template reference, AWS::S3, AWS::SQS, AWS::SNS, AWS::DynamoDB.)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, picked, required, tags_of

_BY_DEFAULT: Final = "ServerSideEncryptionByDefault"


class Bucket:
    name = "AWS::S3::Bucket"
    replaced_by = frozenset({"BucketName"})

    def generated(self, world: World, logical_id: str) -> str:
        return world.name(logical_id, longest=63, lower=True)

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        name = str(properties.get("BucketName") or self.generated(world, logical_id))
        client = world.client("s3")
        where = (
            {}
            if world.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": world.region}}
        )
        call(client, "create_bucket", Bucket=name, **where)
        self._configure(client, name, properties)
        self._tag(world, client, name, properties)
        return self._done(world, name)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        client = world.client("s3")
        self._configure(client, physical_id, new)
        self._tag(world, client, physical_id, new)
        return self._done(world, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("s3"), "delete_bucket", Bucket=physical_id)

    @staticmethod
    def _tag(world: World, client: Any, name: str, properties: Properties) -> None:
        if tags := tags_of(world, properties):
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
            call(client, "put_bucket_tagging", Bucket=name, Tagging={"TagSet": pairs})

    @staticmethod
    def _configure(client: Any, name: str, properties: Properties) -> None:
        """What has operations of its own, each by the name that the API has for it."""
        if versioning := properties.get("VersioningConfiguration"):
            call(client, "put_bucket_versioning", Bucket=name, VersioningConfiguration=versioning)
        if encryption := properties.get("BucketEncryption"):
            rules = [
                {
                    ("ApplyServerSideEncryptionByDefault" if key == _BY_DEFAULT else key): value
                    for key, value in rule.items()
                }
                for rule in encryption.get("ServerSideEncryptionConfiguration") or ()
            ]
            call(
                client, "put_bucket_encryption", Bucket=name,
                ServerSideEncryptionConfiguration={"Rules": rules},
            )  # fmt: skip
        for member, operation in (
            ("PublicAccessBlockConfiguration", "put_public_access_block"),
            ("OwnershipControls", "put_bucket_ownership_controls"),
        ):
            if value := properties.get(member):
                call(client, operation, Bucket=name, **{member: value})

    @staticmethod
    def _done(world: World, name: str) -> Done:
        domain = f"{name}.s3.amazonaws.com"
        return Done(
            name,
            {
                "Arn": f"arn:aws:s3:::{name}",
                "DomainName": domain,
                "RegionalDomainName": f"{name}.s3.{world.region}.amazonaws.com",
            },
        )


class BucketPolicy:
    name = "AWS::S3::BucketPolicy"
    replaced_by = frozenset({"Bucket"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "Bucket", "PolicyDocument")
        self._put(world, properties)
        return Done(world.name(logical_id))

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        self._put(world, new)
        return Done(physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("s3"), "delete_bucket_policy", Bucket=properties["Bucket"])

    @staticmethod
    def _put(world: World, properties: Properties) -> None:
        document = properties["PolicyDocument"]
        text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
        call(world.client("s3"), "put_bucket_policy", Bucket=properties["Bucket"], Policy=text)


class Queue:
    name = "AWS::SQS::Queue"
    replaced_by = frozenset({"QueueName", "FifoQueue"})
    _OWN: Final = frozenset({"QueueName", "Tags"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        fifo = str(properties.get("FifoQueue", "")).lower() == "true"
        name = str(properties.get("QueueName") or world.name(logical_id, longest=75))
        if fifo and not name.endswith(".fifo"):
            name += ".fifo"
        found = call(
            world.client("sqs"), "create_queue", QueueName=name,
            Attributes=self._attributes(properties), tags=tags_of(world, properties),
        )  # fmt: skip
        return self._done(world, found["QueueUrl"])

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        attributes = self._attributes(new)
        attributes.pop("FifoQueue", None)
        if attributes:
            call(
                world.client("sqs"), "set_queue_attributes", QueueUrl=physical_id,
                Attributes=attributes,
            )  # fmt: skip
        return self._done(world, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("sqs"), "delete_queue", QueueUrl=physical_id)

    def _attributes(self, properties: Properties) -> dict[str, str]:
        found = {}
        for key, value in properties.items():
            if key in self._OWN:
                continue
            if isinstance(value, dict | list):
                found[key] = msgspec.json.encode(value).decode()
            else:
                found[key] = str(value).lower() if isinstance(value, bool) else str(value)
        return found

    @staticmethod
    def _done(world: World, url: str) -> Done:
        name = url.rpartition("/")[2]
        arn = f"arn:aws:sqs:{world.region}:{world.account}:{name}"
        return Done(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


class Topic:
    name = "AWS::SNS::Topic"
    replaced_by = frozenset({"TopicName", "FifoTopic"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        name = str(properties.get("TopicName") or world.name(logical_id, longest=256))
        client = world.client("sns")
        arn = call(client, "create_topic", Name=name)["TopicArn"]
        for one in properties.get("Subscription") or []:
            call(
                client,
                "subscribe",
                TopicArn=arn,
                Protocol=one["Protocol"],
                Endpoint=one["Endpoint"],
            )
        return Done(arn, {"TopicArn": arn, "TopicName": name})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return Done(
            physical_id, {"TopicArn": physical_id, "TopicName": physical_id.rpartition(":")[2]}
        )

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("sns"), "delete_topic", TopicArn=physical_id)


class Table:
    name = "AWS::DynamoDB::Table"
    replaced_by = frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"})
    _CREATED: Final = (
        "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema",
        "LocalSecondaryIndexes", "ProvisionedThroughput",
    )  # fmt: skip

    def generated(self, world: World, logical_id: str) -> str:
        return world.name(logical_id, longest=255)

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "KeySchema")
        name = str(properties.get("TableName") or self.generated(world, logical_id))
        client = world.client("dynamodb")
        stream = properties.get("StreamSpecification")
        streams = {"StreamSpecification": {**stream, "StreamEnabled": True}} if stream else {}
        call(
            client, "create_table", TableName=name, **picked(properties, *self._CREATED), **streams
        )
        client.get_waiter("table_exists").wait(TableName=name)
        return self._done(client, name)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        client = world.client("dynamodb")
        changed = picked(new, "BillingMode", "ProvisionedThroughput")
        if changed:
            call(client, "update_table", TableName=physical_id, **changed)
        return self._done(client, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("dynamodb"), "delete_table", TableName=physical_id)

    @staticmethod
    def _done(client: Any, name: str) -> Done:
        found = call(client, "describe_table", TableName=name)["Table"]
        attributes = {"Arn": found["TableArn"]}
        if stream := found.get("LatestStreamArn"):
            attributes["StreamArn"] = stream
        return Done(name, attributes)


KINDS: Final[tuple[Kind, ...]] = (Bucket(), BucketPolicy(), Queue(), Topic(), Table())
