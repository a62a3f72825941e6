"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A test that sets up the server's log must not do so for those after it."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
