"""Every error document that the runtime makes, and how it reads in the log.

Shapes and texts are those of AWS's runtime client (LAMBDA.md 76 and "Runtime client 4.x errors").
`traceback` is imported here, at the first failure, because it costs as much as a whole start.
"""

from . import codec
from .channel import write_record
from .state import STATE

MAX_RESPONSE_BYTES = 6291556
_OWN = __file__.rpartition("/")[0] + "/"


class RuntimeFault(Exception):  # noqa: N818  AWS names it
    """A failure that AWS gives a name of its own, such as Runtime.HandlerNotFound."""

    def __init__(self, error_type: str, message: str, stack=()) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.stack = list(stack)


def too_large() -> bytes:
    """AWS's platform, not its runtime, answers this one: no requestId, no stackTrace."""
    return codec.dumps(
        {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size "
            "(%d bytes)." % MAX_RESPONSE_BYTES,
        }
    )


def report(error: BaseException, request_id: str) -> bytes:
    """Log `error` as one event, and give its document."""
    if isinstance(error, RuntimeFault):
        kind, stack = error.error_type, error.stack
    else:
        kind, stack = type(error).__name__, _stack(error)
    message = _message(error)
    document = {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": stack,
    }
    if STATE.json_logs:
        write_record(_json_event(document))
    else:
        write_record(_text_event(kind, message, stack))
    return _encode(document)


def _encode(document) -> bytes:
    try:
        return codec.dumps(document)
    except UnicodeEncodeError:  # a lone surrogate in a message: a JSON escape says the same
        return codec._text(document).encode("utf-8", "backslashreplace")


def _message(error) -> str:
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def _stack(error):
    """Frames of the function in AWS's form, without those of this runtime above them."""
    import traceback

    frames = [tuple(frame) for frame in traceback.extract_tb(error.__traceback__)]
    while frames and _is_scaffold(frames[0][0]):
        frames.pop(0)
    return traceback.format_list([(_shown(f[0]), f[1], f[2], f[3]) for f in frames])


def _is_scaffold(filename: str) -> bool:
    return filename.startswith((_OWN, "<frozen importlib")) or (
        "/asyncio/" in filename and "/lib/python" in filename
    )


def _shown(filename: str) -> str:
    """Traces start at /var/task even where the sandbox cannot put the code there."""
    root = STATE.hidden_root
    if root and filename.startswith(root + "/"):
        return "/var/task" + filename[len(root) :]
    return filename


def _json_event(document) -> str:
    import time

    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return codec._text({"timestamp": stamp, "level": "ERROR", **document})


def _text_event(kind, message, stack) -> str:
    """Indentation is non-breaking, as AWS writes it, so that log viewers keep it."""
    lines = ["[ERROR] %s: %s" % (kind, message) if message else "[ERROR] %s" % kind]
    lines.append("Traceback (most recent call last):")
    for entry in stack:
        for line in entry.rstrip("\n").split("\n"):
            text = line.lstrip(" ")
            lines.append("\xa0" * (len(line) - len(text)) + text)
    return "\n".join(lines)
