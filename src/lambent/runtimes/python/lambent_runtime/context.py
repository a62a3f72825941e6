"""The context object, attribute for attribute as AWS's (its `vars` are public by habit)."""

import time

from . import codec
from .channel import write_record
from .state import STATE


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, text: str = "") -> None:
        given = codec.loads(text.encode()) if text else {}
        self.cognito_identity_id = given.get("cognitoIdentityId")
        self.cognito_identity_pool_id = given.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return _repr(self, self.__slots__)


class Client:
    __slots__ = (
        "app_package_name",
        "app_title",
        "app_version_code",
        "app_version_name",
        "installation_id",
    )

    def __init__(self, given) -> None:
        for name in self.__slots__:
            setattr(self, name, given.get(name))

    def __repr__(self) -> str:
        shown = (
            "installation_id",
            "app_title",
            "app_version_name",
            "app_version_code",
            "app_package_name",
        )
        return _repr(self, shown)


class ClientContext:
    __slots__ = ("client", "custom", "env")

    def __init__(self, given) -> None:
        self.custom = given.get("custom")
        self.env = given.get("env")
        self.client = Client(given["client"]) if given.get("client") else None

    def __repr__(self) -> str:
        return _repr(self, ("custom", "env", "client"))


class LambdaContext:
    """What a handler gets as its second argument."""

    def __init__(self, request_id, deadline_ms, arn, tenant_id, client_context, identity) -> None:
        state = STATE
        self.aws_request_id = request_id
        self.log_group_name = state.log_group
        self.log_stream_name = state.log_stream
        self.function_name = state.function_name
        self.memory_limit_in_mb = state.memory_mb
        self.function_version = state.function_version
        self.invoked_function_arn = arn
        self.tenant_id = tenant_id or None
        self.client_context = (
            ClientContext(codec.loads(client_context.encode())) if client_context else None
        )
        self.identity = CognitoIdentity(identity)
        self._epoch_deadline_time_in_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        """Milliseconds until the function is timed out; never negative."""
        left = self._epoch_deadline_time_in_ms - time.time_ns() // 1_000_000
        return max(0, left)

    def log(self, message) -> None:
        """One log event, unadorned."""
        write_record(str(message))

    def __repr__(self) -> str:
        shown = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return _repr(self, shown)


def _repr(value, names) -> str:
    fields = ",".join("%s=%s" % (name, getattr(value, name)) for name in names)
    return "%s([%s])" % (type(value).__name__, fields)
