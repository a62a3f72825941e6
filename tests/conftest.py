"""What holds for every test."""

import os
import signal
from collections.abc import Iterator

import pytest
import structlog

# A runner that was started in the background hands on that Ctrl-C is ignored; tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# moto looks once, when it is first imported by any test.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A test that sets up the server's log must not do so for those after it."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
