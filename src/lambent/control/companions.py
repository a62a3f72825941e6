"""What a function names in other AWS services, looked up before the function is made or changed.

The execution role in IAM, subnets and security groups in EC2, the key in KMS, the dead letter queue
or topic in SQS or SNS: each is asked for only where an endpoint is configured (`aws_clients`). A
service that cannot be reached, or that the endpoint does not have, is not asked further: only a
definite "no" refuses, with AWS's text. The registry's rules come after, and never wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from lambent.control.aws_clients import AwsClients
from lambent.control.names import Scope
from lambent.control.requests import ConfigurationRequest
from lambent.errors import InvalidParameterValue

log = structlog.get_logger("lambent.control")

CHECKED: Final = ("iam", "ec2", "kms", "sqs", "sns", "sts")
"""The services that are asked, by boto3's names."""

_ABSENT: Final = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
    }
)
"""Codes of a definite "there is no such thing"; EC2's all end in `.NotFound` or say malformed."""


class Companions:
    """Looks things up; raises what AWS answers when one does not exist."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    async def check(self, scope: Scope, request: ConfigurationRequest) -> str | None:
        """Every reference of a request; answers the VPC of its subnets, if EC2 told it."""
        if request.role:
            await self._role(scope, request.role)
        if request.kms_key_arn:
            await self._key(scope, request.kms_key_arn)
        if request.dead_letter_config and request.dead_letter_config.target_arn:
            await self._dead_letter_target(scope, request.dead_letter_config.target_arn)
        if request.vpc_config is None:
            return None
        return await self._vpc(
            scope, request.vpc_config.subnet_ids or (), request.vpc_config.security_group_ids or ()
        )

    async def _role(self, scope: Scope, arn: str) -> None:
        if arn.split(":")[4] != scope.account:
            return  # another account's IAM is not ours to ask
        name = arn.rpartition("/")[2]
        code = await self._refused(scope, "iam", lambda iam: iam.get_role(RoleName=name))
        if code is not None:
            raise InvalidParameterValue(
                "The role defined for the function cannot be assumed by Lambda."
            )

    async def _key(self, scope: Scope, arn: str) -> None:
        refusal = await self._refused(scope, "kms", lambda kms: kms.describe_key(KeyId=arn))
        if refusal is not None:
            code, message = refusal
            raise InvalidParameterValue(
                "Lambda was unable to configure access to your environment variables because the "
                "KMS key is invalid for CreateGrant. Please check your KMS key settings. "
                f"KMS Exception: {code} KMS Message: {message}"
            )

    async def _dead_letter_target(self, scope: Scope, arn: str) -> None:
        parts = arn.split(":")
        if len(parts) != 6 or parts[2] not in {"sqs", "sns"}:
            raise InvalidParameterValue(
                f"The target {arn} is not supported: a dead letter target is an Amazon SQS queue "
                "or an Amazon SNS topic."
            )
        if parts[2] == "sqs":
            refusal = await self._refused(
                scope,
                "sqs",
                lambda sqs: sqs.get_queue_url(QueueName=parts[5], QueueOwnerAWSAccountId=parts[4]),
            )
        else:
            refusal = await self._refused(
                scope, "sns", lambda sns: sns.get_topic_attributes(TopicArn=arn)
            )
        if refusal is not None:
            raise InvalidParameterValue(f"The target {arn} does not exist.")

    async def _vpc(self, scope: Scope, subnets: Sequence[str], groups: Sequence[str]) -> str | None:
        found: list[dict[str, Any]] = []

        def describe(ec2: Any) -> None:
            found.extend(ec2.describe_subnets(SubnetIds=list(subnets))["Subnets"])

        if subnets:
            _refuse_vpc("DescribeSubnets", await self._refused(scope, "ec2", describe))
        if groups:
            refusal = await self._refused(
                scope, "ec2", lambda ec2: ec2.describe_security_groups(GroupIds=list(groups))
            )
            _refuse_vpc("DescribeSecurityGroups", refusal)
        vpcs = sorted({subnet["VpcId"] for subnet in found})
        if len(vpcs) > 1:
            raise InvalidParameterValue("Subnets must belong to the same VPC.")
        return vpcs[0] if vpcs else None

    async def _refused(
        self, scope: Scope, service: str, ask: Callable[[Any], object]
    ) -> tuple[str, str] | None:
        """The service's "there is no such thing" as (code, message); None for anything else."""
        if self._clients.endpoint(service) is None:
            return None

        def work() -> tuple[str, str] | None:
            from botocore.exceptions import BotoCoreError, ClientError

            try:
                ask(self._clients.client(service, scope.region))
            except ClientError as error:
                told = error.response["Error"]
                if _is_absent(told["Code"]):
                    return told["Code"], told["Message"]
                log.warning("companion.not_asked", service=service, reason=str(error))
            except BotoCoreError as error:
                log.warning("companion.not_asked", service=service, reason=str(error))
            return None

        return await self._clients.run(work)


def _is_absent(code: str) -> bool:
    return code in _ABSENT or code.endswith((".NotFound", ".Malformed"))


def _refuse_vpc(action: str, refusal: tuple[str, str] | None) -> None:
    if refusal is not None:
        code, message = refusal
        raise InvalidParameterValue(
            f"Error occurred while {action}. EC2 Error Code: {code}. EC2 Error Message: {message}"
        )
