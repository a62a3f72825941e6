"""The two ends of the channel are written apart; these hold them together."""

from __future__ import annotations

import importlib.util
import re
import struct
import sys
from pathlib import Path

from lambent.runtimes import frames, runtime_dir


def constants(path: Path) -> dict[str, object]:
    """The module's upper-case assignments, read without importing it into this process."""
    found = re.findall(r"^([A-Z_]+)(?:: Final)? = (.+)$", path.read_text(), re.MULTILINE)
    return {name: eval(value, {}) for name, value in found if "struct" not in value}


def test_both_ends_agree_on_every_number():
    inside = constants(runtime_dir.SOURCE / "lambent_runtime" / "channel.py")
    for name in ("INVOKE", "READY", "INIT_ERROR", "RESPONSE", "ERROR", "LOG_MAGIC"):
        assert inside[name] == getattr(frames, name), name


def test_invoke_frame_layout():
    frame = frames.encode_invoke(b"id\n0\narn\n\n\n\n", b'{"a":1}')
    length, kind, header = struct.unpack_from(">IBH", frame)
    assert length == len(frame) - 4
    assert kind == frames.INVOKE
    assert frame[7 : 7 + header] == b"id\n0\narn\n\n\n\n"
    assert frame[7 + header :] == b'{"a":1}'


def test_the_runtime_is_importable_on_its_own_and_needs_nothing_of_ours():
    for path in runtime_dir.SOURCE.rglob("*.py"):
        assert "import lambent\n" not in path.read_text()
        assert "from lambent." not in path.read_text()
    assert importlib.util.find_spec("lambent_runtime") is None
    assert "lambent_runtime" not in sys.modules
