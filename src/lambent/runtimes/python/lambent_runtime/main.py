"""Init, then one invoke after the other until the server hangs up.

    prepare()   descriptors, sys.path, signals, forks, hooks: before any code of the function
    init()      import the handler; READY, or INIT_ERROR and exit status 1
    serve()     the loop: INVOKE in, RESPONSE or ERROR (or a stream) out

The engine sees a process that ends by itself (`sys.exit`, a crash) and reports Runtime.ExitError.
"""

import _signal  # type: ignore[import-not-found]  # `signal` would import enum
import os
import sys

from . import channel, codec, failures, forks
from .channel import ChannelClosed, Reader, flush, send
from .context import LambdaContext
from .handler import load_handler
from .hooks import Hooks
from .state import STATE


async def _coroutine():
    pass


async def _async_generator():
    yield


_sample = _coroutine()
_CoroutineType = type(_sample)
_sample.close()
_STREAMS = frozenset([type(_ for _ in ()), type(_async_generator())])
_NOT_VALUES = _STREAMS | {_CoroutineType}


def main() -> None:
    prepare()
    reader = Reader()  # before Init: forks of a template have it in common until they read
    try:
        handler = init()
        if handler is None:
            leave(1)
        if STATE.forks:
            from . import workers

            workers.serve_forks(_on_sigterm)  # comes back in each worker
        serve(handler, reader)
    except ChannelClosed:
        leave(0)


def prepare() -> None:
    """Everything that must hold before the function's own code runs."""
    log_fd = os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    if log_fd.isdigit():
        STATE.log_fd = int(log_fd)
        os.set_inheritable(STATE.log_fd, False)
    STATE.forks = os.environ.pop("_LAMBENT_FORKS", "") == "1"
    os.set_inheritable(STATE.channel_fd, False)
    os.set_blocking(STATE.channel_fd, True)
    STATE.pid = os.getpid()
    STATE.template = bool(os.environ.pop("_LAMBENT_TEMPLATE", ""))
    if STATE.template:
        STATE.folder = os.getcwd()  # noqa: PTH109
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is not replaced yet
    _set_path()
    _add_site_builtins()
    _signal.signal(forks.SIGTERM, _on_sigterm)
    forks.watch(_on_sigterm)
    Hooks().install()


def _set_path() -> None:
    """AWS's order: the function, its layers, our runtime, the standard library; no site-packages.

    A PYTHONPATH of the function's own goes before our runtime, and the layers to the end. A
    container image's interpreter has site-packages, and what is installed there wins over ours.
    """
    runtime_dir = __file__.rsplit("/", 2)[0]
    site_packages = "lib/python%d.%d/site-packages" % sys.version_info[:2]
    opt = os.environ.pop("_LAMBENT_OPT_DIRS", "/opt").split(":")
    layers = [
        path
        for directory in opt
        if directory
        for path in (directory + "/python/" + site_packages, directory + "/python")
    ]
    given = [part for part in os.environ.get("PYTHONPATH", "").split(":") if part]
    rest = [part for part in sys.path if part != runtime_dir and part not in given]
    if not sys.flags.no_site:
        own = [part for part in given if part != runtime_dir]
        sys.path[:] = [STATE.task_root, *own, *layers, *rest, runtime_dir]
    elif given in ([], [runtime_dir]):
        sys.path[:] = [STATE.task_root, *layers, runtime_dir, *rest]
    else:
        own = [part for part in given if part != runtime_dir]
        sys.path[:] = [STATE.task_root, *own, runtime_dir, *rest, *layers]
    for path in layers:
        try:
            names = os.listdir(path)  # noqa: PTH208  pathlib would have to be imported
        except OSError:
            continue
        if any(name.endswith(".pth") for name in names):
            import site

            site.addsitedir(path)


def _add_site_builtins() -> None:
    """`exit`, `quit` and `help`, which -S leaves out and functions do use."""
    import _sitebuiltins
    import builtins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()


def _on_sigterm(_signum, _frame) -> None:
    leave(0)


def leave(status: int) -> None:
    """End now: exit hooks run, output is handed over, threads left running do not hold us."""
    try:
        if os.getpid() == STATE.pid:
            import atexit

            atexit._run_exitfuncs()
    finally:
        flush()
        os._exit(status)


def init():
    """The handler, after READY; None after INIT_ERROR."""
    try:
        handler = load_handler(os.environ.get("_HANDLER", ""))
    except Exception as error:
        document = failures.report(error, "")
        flush()
        send(channel.INIT_ERROR, document)
        return None
    flush()
    if STATE.template:
        from . import template

        if not template.run():
            return None
        _signal.signal(forks.SIGTERM, _on_sigterm)
    elif os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        from . import snapshot_hooks

        if not snapshot_hooks.stand_by():
            return None
    else:
        send(channel.READY, b"")
    return handler


def serve(handler, reader) -> None:
    """The hot path: one read, one call, one write."""
    read_invoke, answer = reader.read_invoke, invoke
    while True:
        header, payload = read_invoke()
        kind, body = answer(handler, header, payload)
        payload.release()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except Exception:
            flush()
        send(kind, body)


def invoke(handler, header, payload):
    """(kind, body) of the answer to one INVOKE."""
    request_id, deadline, arn, trace, tenant_id, rest = header.split("\n", 5)
    # Client context may hold newlines of its own; the identity, ours, never does.
    client_context, _, identity = rest.rpartition("\n")
    STATE.request_id, STATE.tenant_id = request_id, tenant_id
    if trace != STATE.trace:
        _set_trace(trace)
    try:
        event = _unmarshal(payload)
        context = LambdaContext(request_id, int(deadline), arn, tenant_id, client_context, identity)
        result = handler(event, context)
        if result.__class__ in _NOT_VALUES:
            if result.__class__ is _CoroutineType:
                result = _run(result)
            if result.__class__ in _STREAMS:
                from . import streams

                return streams.answer(result, request_id, _run)
        body = _marshal(result)
    except Exception as error:
        return channel.ERROR, failures.report(error, request_id)
    if len(body) > failures.MAX_RESPONSE_BYTES:
        return channel.ERROR, failures.too_large()
    return channel.RESPONSE, body


def _unmarshal(payload):
    if not payload:
        return {}
    try:
        return codec.loads(payload)
    except Exception as error:
        raise failures.RuntimeFault(
            "Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error
        ) from None


def _marshal(result) -> bytes:
    if result.__class__ is bytes:  # already JSON, by AWS's runtime client's rule
        return result
    try:
        return codec.dumps(result)
    except Exception as error:
        raise failures.RuntimeFault(
            "Runtime.MarshalError", "Unable to marshal response: %s" % error
        ) from None


def _set_trace(trace: str) -> None:
    STATE.trace = trace
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)


def _run(coroutine):
    """`async def` handlers run on one event loop that lives as long as the process.

    AWS's Python runtime cannot do this (it fails to marshal the coroutine); it is ours.
    """
    if STATE.loop is None or STATE.loop.is_closed():
        import asyncio

        STATE.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(STATE.loop)
    return STATE.loop.run_until_complete(coroutine)
