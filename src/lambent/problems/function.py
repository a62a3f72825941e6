"""Names that Lambda gives to the ends of a function that the handler did not choose."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "Sandbox.Timedout",
        "The call, or Init, took longer than it may.",
        "`Timeout` of the function; ten seconds for Init. A crash in Init is reported under the same "
        "name, as on AWS; the log names the signal.",
        "Raise `Timeout`, or find what waits: often a network that the sandbox does not have.",
    ),
    Entry(
        "Runtime.OutOfMemory",
        "The kernel ended the function for passing its memory.",
        "`MemorySize` is the limit of everything in the sandbox, `/tmp` and page cache excepted.",
        "Raise `MemorySize`; REPORT lines show `Max Memory Used`.",
    ),
    Entry(
        "Runtime.ExitError",
        "The runtime's process ended in the middle of a call.",
        "`exit` in the handler, a signal such as a segmentation fault in a native library, or a "
        "runtime that broke the protocol.",
        "The message has the status or the signal; run the handler by itself to see more.",
    ),
    Entry(
        "Runtime.BeforeSnapshotError",
        "A function that was registered with `register_before_snapshot` failed.",
        "It raised an exception while the version's snapshot was made; the version is Failed.",
        "The version's StateReason has the exception; mend the hook and publish again.",
    ),
    Entry(
        "Runtime.AfterRestoreError",
        "A function that was registered with `register_after_restore` failed.",
        "It raised an exception while an environment was restored, often for want of a network.",
        "The environment's log has the exception; mend the hook and publish again.",
    ),
    Entry(
        "Runtime.InvalidEntrypoint",
        "The runtime could not be started.",
        "A custom runtime without an executable `bootstrap`, or one for another processor.",
        "Put `bootstrap` at the top of the package, with its executable bit.",
    ),
    Entry(
        "Runtime.TruncatedResponse",
        "A streamed answer broke off.",
        "A custom runtime closed its connection before the last chunk of its answer.",
        "End the answer with its last chunk; say errors in trailers (docs/streaming.md).",
    ),
    Entry(
        "Runtime.ImportModuleError",
        "The handler's module could not be imported.",
        "It, or something that it imports, is not in the package.",
        "Add the dependency to `requirements.txt`; check `Handler`.",
    ),
    Entry(
        "Runtime.UserCodeSyntaxError",
        "The handler's module has a syntax error.",
        "Often syntax that is newer than the runtime's Python.",
        "Mend the line that the message names, or choose a newer runtime.",
    ),
    Entry(
        "Runtime.HandlerNotFound",
        "The module has no such function.",
        "`Handler` names one that is not defined at the module's top level.",
        "`Handler` is `module.function`.",
    ),
    Entry(
        "Runtime.MalformedHandlerName",
        "`Handler` is not `module.function`.",
        "There is no dot in it.",
        "For `def handler` in `app.py`: `app.handler`.",
    ),
    Entry(
        "Runtime.BuiltInModuleConflict",
        "The handler's module has the name of one that is built into Python.",
        "`import` would find the other one.",
        "Rename the file.",
    ),
    Entry(
        "Runtime.MarshalError",
        "The handler's answer is not JSON.",
        "It holds bytes, a date, NaN or an object that has no JSON form.",
        "Return dictionaries, lists, text, numbers, booleans and None.",
    ),
    Entry(
        "Runtime.UnmarshalError",
        "The event could not be read as JSON by the runtime.",
        "For example a number that Python cannot hold.",
        "Send another event.",
    ),
    Entry(
        "Function.ResponseSizeTooLarge",
        "The answer passes 6 MB.",
        "Lambda's limit for synchronous answers.",
        "Store the data elsewhere and return a reference.",
    ),
    Entry(
        "InvalidStateTransition",
        "403 of the Runtime API: a call that the environment's state does not allow.",
        "A custom runtime answered a call twice, or asked for the next one before answering.",
        "Follow `next` → `response` or `error` → `next`.",
    ),
)
