"""One message to one target: a queue, a topic, a bus, a bucket, or a function of this server.

AWS services are reached as `control/aws_clients` is configured. (LAMBDA.md 57–59; AWS Lambda
developer guide, "Adding a destination" and "Adding a dead-letter queue".)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from lambent.clock import new_uuid
from lambent.control.aws_clients import AwsClients
from lambent.control.names import Scope, resolve
from lambent.store.event_outbox import Message


class Intake(Protocol):
    """Where events for functions of this server go: `EventQueue.accept`."""

    async def __call__(
        self,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        request_id: str,
        *,
        trace_header: str = "",
    ) -> None: ...


class Destinations:
    def __init__(self, clients: AwsClients, accept: Intake) -> None:
        self._clients = clients
        self._accept = accept

    async def send(self, message: Message) -> None:
        """Returns once the target has it; raises whatever prevents that."""
        service = message.target.split(":")[2]
        if service == "lambda":
            await self._invoke(message)
            return
        work = _SENDERS[service]
        region = message.target.split(":")[3] or message.region
        await self._clients.run(lambda: work(self._clients.client(service, region), message))

    async def _invoke(self, message: Message) -> None:
        scope = Scope(message.target.split(":")[4], message.target.split(":")[3])
        name, qualifier = resolve(scope, message.target, operation="Invoke")
        await self._accept(
            scope.account, scope.region, name, qualifier, message.body.encode(), new_uuid(),
            trace_header=message.trace_header,
        )  # fmt: skip


def _to_queue(sqs: Any, message: Message) -> None:
    parts = message.target.split(":")
    url = sqs.get_queue_url(QueueName=parts[5], QueueOwnerAWSAccountId=parts[4])["QueueUrl"]
    more: dict[str, Any] = {}
    if message.trace_header:
        trace = {"DataType": "String", "StringValue": message.trace_header}
        more["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    if parts[5].endswith(".fifo"):
        more["MessageGroupId"] = message.function
        more["MessageDeduplicationId"] = new_uuid()
    sqs.send_message(
        QueueUrl=url, MessageBody=message.body, MessageAttributes=_attributes(message), **more
    )


def _to_topic(sns: Any, message: Message) -> None:
    sns.publish(
        TopicArn=message.target, Message=message.body, MessageAttributes=_attributes(message)
    )


def _to_bus(events: Any, message: Message) -> None:
    result = "Success" if message.succeeded else "Failure"
    answer = events.put_events(
        Entries=[
            {
                "Source": "lambda",
                "DetailType": f"Lambda Function Invocation Result - {result}",
                "Resources": [message.target, message.function_arn],
                "Detail": message.body,
                "EventBusName": message.target.partition("event-bus/")[2],
            }
        ]
    )
    if answer.get("FailedEntryCount"):
        raise RuntimeError(f"the bus refused it: {answer['Entries'][0].get('ErrorMessage')}")


def _to_bucket(s3: Any, message: Message) -> None:
    made = datetime.fromtimestamp(message.made_ms / 1000, UTC)
    s3.put_object(
        Bucket=message.target.rpartition(":")[2],
        Key=f"aws/lambda/async/{message.function}/{made:%Y/%m/%d}/{made:%Y-%m-%dT%H.%M.%S}-{new_uuid()}",
        Body=message.body.encode(),
    )


_SENDERS: Final[dict[str, Callable[[Any, Message], None]]] = {
    "sqs": _to_queue,
    "sns": _to_topic,
    "events": _to_bus,
    "s3": _to_bucket,
}


def _attributes(message: Message) -> dict[str, Any]:
    return {
        name: {"DataType": kind, "StringValue": value}
        for name, (kind, value) in message.attributes.items()
    }
