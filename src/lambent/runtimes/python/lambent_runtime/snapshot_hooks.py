"""The hooks of `snapshot_restore_py`, and Init of a version with SnapStart that cannot be forked.

A template runs `before` once and each of its forks `after`. A process that was started instead is
its own snapshot: `stand_by` runs both, one after the other, and tells the server what lies between.
"""

import sys

from . import channel, failures

RESTORE_NEXT = 27


def before() -> bool:
    """AWS: in the reverse order of their registration. False when one failed, which is told."""
    module = sys.modules.get("snapshot_restore_py")
    try:
        for function, args, kwargs in reversed(module.get_before_snapshot() if module else []):
            function(*args, **kwargs)
    except Exception as error:
        return _failed("Runtime.BeforeSnapshotError", error)
    return True


def after(renew=None) -> bool:
    """In their order, once `renew` has run."""
    try:
        if renew is not None:
            renew()
        module = sys.modules.get("snapshot_restore_py")
        for function, args, kwargs in module.get_after_restore() if module else []:
            function(*args, **kwargs)
    except Exception as error:
        return _failed("Runtime.AfterRestoreError", error)
    return True


def stand_by() -> bool:
    """True when this process may serve, which the server knows then."""
    if not before():
        return False
    channel.flush()
    channel.send(RESTORE_NEXT, b"")
    if not after():
        return False
    channel.flush()
    channel.send(channel.READY, b"")
    return True


def _failed(kind, error) -> bool:
    fault = failures.RuntimeFault(kind, str(error) or repr(error))
    document = failures.report(fault, "")
    channel.flush()
    channel.send(channel.INIT_ERROR, document)
    return False
