"""Whether an event source exists: SQS, Kinesis and DynamoDB are asked where they are configured.

As with `companions`, only a definite "no" refuses; where no endpoint is named, or nobody answers,
the mapping is made and its poller says what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from lambent.control.aws_clients import AwsClients
from lambent.control.names import Scope
from lambent.control.source_kinds import SourceKind, stream_of
from lambent.errors import InvalidParameterValue

log = structlog.get_logger("lambent.control")

_ABSENT: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)


class SourceLookup:
    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def check(self, scope: Scope, kind: SourceKind, config: Mapping[str, Any]) -> None:
        arn = config.get("EventSourceArn", "")
        if kind.name == "sqs":
            _, _, _, region, account, name = arn.split(":", 5)
            if await self._is_absent(
                "sqs",
                region,
                lambda sqs: sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account),
            ):
                raise InvalidParameterValue(
                    "Error occurred while ReceiveMessage. SQS Error Code: "
                    "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified "
                    "queue does not exist."
                )
        elif kind.name == "kinesis":
            ask = lambda kinesis: kinesis.describe_stream_summary(StreamARN=stream_of(arn))  # noqa: E731
            if await self._is_absent("kinesis", scope.region, ask):
                raise InvalidParameterValue(f"Stream not found: {arn}")
        elif kind.name == "dynamodb":
            ask = lambda streams: streams.describe_stream(StreamArn=arn)  # noqa: E731
            if await self._is_absent("dynamodbstreams", scope.region, ask):
                raise InvalidParameterValue(f"Stream not found: {arn}")

    async def _is_absent(self, service: str, region: str, ask: Callable[[Any], object]) -> bool:
        if self._clients.endpoint(service) is None:
            return False

        def work() -> bool:
            from botocore.exceptions import BotoCoreError, ClientError

            try:
                ask(self._clients.client(service, region))
            except ClientError as error:
                if error.response["Error"]["Code"] in _ABSENT:
                    return True
                log.warning("source.not_asked", service=service, reason=str(error))
            except BotoCoreError as error:
                log.warning("source.not_asked", service=service, reason=str(error))
            return False

        return await self._clients.run(work)
