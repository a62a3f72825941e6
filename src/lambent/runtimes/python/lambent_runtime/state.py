"""Everything global to the runtime process, in one object.

One place, so that a process forked from a template can renew what must not be shared.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` costs more than all of this package
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class State:
    """The process's descriptors, settings and current invoke."""

    channel_fd = 3
    log_fd = -1
    """Where framed log records go; -1 writes them as plain lines to descriptor 1."""
    forks = False
    """Init once, then fork the processes that serve."""
    pid = 0
    template = False
    """This process runs Init for others, which are forked from it."""
    folder = "/var/task"
    """Where a template, and each of its forks, begins."""
    request_id = ""
    tenant_id = ""
    trace = ""
    """The value of _X_AMZN_TRACE_ID now, to skip a putenv that changes nothing."""
    loop: AbstractEventLoop | None = None
    """The event loop of `async def` handlers, kept between invokes as their clients expect."""

    def __init__(self) -> None:
        env = os.environ
        self.task_root = env.get("LAMBDA_TASK_ROOT", "/var/task")
        # The host's path of the code, which traces call /var/task; an image's folders are its own.
        self.hidden_root = self.task_root if "_LAMBENT_OPT_DIRS" in env else ""
        self.json_logs = env.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        self.log_level = env.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group = env.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream = env.get("AWS_LAMBDA_LOG_STREAM_NAME")


STATE = State()
