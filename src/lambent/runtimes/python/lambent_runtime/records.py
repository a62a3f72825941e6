"""The root logger as Lambda sets it up: one handler, text or JSON, one event per record."""

import time

from . import codec
from .channel import write_record
from .failures import _shown
from .state import STATE

TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
TIME = "%Y-%m-%dT%H:%M:%S"
LEVELS = {
    "TRACE": 0,
    "DEBUG": 10,
    "INFO": 20,
    "WARN": 30,
    "WARNING": 30,
    "ERROR": 40,
    "FATAL": 50,
    "CRITICAL": 50,
}
# What `logging` itself puts into a record; everything else came by `extra=`.
OWN_FIELDS = frozenset(
    [
        "args",
        "asctime",
        "aws_request_id",
        "created",
        "exc_info",
        "exc_text",
        "filename",
        "funcName",
        "levelname",
        "levelno",
        "lineno",
        "message",
        "module",
        "msecs",
        "msg",
        "name",
        "pathname",
        "process",
        "processName",
        "relativeCreated",
        "stack_info",
        "taskName",
        "tenant_id",
        "thread",
        "threadName",
    ]
)


def install() -> None:
    """Give the root logger its handler, filter and level; `logging` has just been imported."""
    import logging

    class LambdaLoggerFilter(logging.Filter):
        """Lets formats of the function's own use %(aws_request_id)s."""

        def filter(self, record) -> bool:
            record.aws_request_id = STATE.request_id
            record.tenant_id = STATE.tenant_id
            return True

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record) -> None:
            try:
                text = self.format(record)
                write_record(text.removesuffix("\n"))
            except Exception:
                self.handleError(record)

    class JsonFormatter(logging.Formatter):
        def format(self, record) -> str:
            return _json_record(self, record)

    logging.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    handler.setFormatter(JsonFormatter() if STATE.json_logs else logging.Formatter(TEXT, TIME))
    handler.addFilter(LambdaLoggerFilter())
    logging.root.addHandler(handler)
    if STATE.log_level in LEVELS:
        logging.root.setLevel(LEVELS[STATE.log_level])


def _json_record(formatter, record) -> str:
    message = record.msg if isinstance(record.msg, dict) and not record.args else None
    line = {
        "timestamp": formatter.formatTime(record, TIME + "Z"),
        "level": record.levelname,
        "message": record.getMessage() if message is None else message,
        "logger": record.name,
    }
    failed = record.exc_info and record.exc_info[0] is not None
    if failed:
        kind, error, trace = record.exc_info
        line["stackTrace"] = _frames(trace)
        line["errorType"] = kind.__name__
        line["errorMessage"] = str(error)
    line["requestId"] = getattr(record, "aws_request_id", STATE.request_id)
    if STATE.tenant_id:
        line["tenantId"] = STATE.tenant_id
    if failed:
        line["location"] = "%s:%s:%d" % (
            _shown(record.pathname),
            record.funcName,
            record.lineno,
        )
    for name, value in record.__dict__.items():
        if name not in OWN_FIELDS and name not in line:
            line[name] = value
    return _tolerant(line)


def _frames(trace):
    import traceback

    entries = traceback.format_tb(trace)
    root = STATE.hidden_root
    return (
        [entry.replace('"%s/' % root, '"/var/task/', 1) for entry in entries] if root else entries
    )


def _tolerant(line) -> str:
    """A value that JSON cannot hold is shown as text: a log call must not fail."""
    try:
        return codec._text(line)
    except (TypeError, ValueError):
        import json

        return json.dumps(line, ensure_ascii=codec.ASCII_ONLY, default=str, skipkeys=True)
