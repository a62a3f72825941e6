"""A function's processor and the machine's."""

from types import SimpleNamespace

import pytest

from lambent.errors import InvalidRuntime
from lambent.runtimes import processor


def test_only_the_machines_own_runs():
    own = processor.architecture()
    other = "x86_64" if own == "arm64" else "arm64"
    processor.check(SimpleNamespace(architecture=own, function_name="f"))
    with pytest.raises(InvalidRuntime, match=f"f is for {other}, and this machine is {own}"):
        processor.check(SimpleNamespace(architecture=other, function_name="f"))
