"""`lambent doctor` as a process, also inside places where something really is missing."""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

LAMBENT = Path(sys.executable).parent / "lambent"
CGROUP2 = Path("/proc/self/mountinfo")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and namespaces of the test's own")
needs_unshare = pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")


def by_name(done):
    report = json.loads(done.stdout)
    return report, {finding["name"]: finding for finding in report["findings"]}


def inside(place, how, before, *flags):
    """`doctor` in namespaces of its own, after a shell command that takes something away."""
    script = f'{before} && exec "$0" doctor --json {" ".join(flags)}'
    return subprocess.run(
        ["unshare", *how, "sh", "-c", script, str(LAMBENT)],
        env=place.env, cwd=place.folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_what_is_there_and_the_taken_port(place):
    report, findings = by_name(place.run("doctor"))
    assert findings["port"]["status"] == "ok"
    assert findings["uv"]["status"] == "ok"
    assert report["ok"] == all(f["status"] != "missing" for f in findings.values())
    with socket.socket() as other:
        other.bind(("127.0.0.1", place.port))
        other.listen()
        done = place.run("doctor")
    report, findings = by_name(done)
    assert done.returncode == 1
    assert not report["ok"]
    assert f"pid {os.getpid()}" in findings["port"]["why"]
    assert findings["port"]["fix"]


@pytest.mark.root
@needs_root
@needs_unshare
def test_a_container_with_a_masked_proc(place):
    done = inside(place, ["-m"], "mount -t tmpfs none /proc/bus")
    _, findings = by_name(done)
    assert done.returncode == 1
    assert findings["/proc"]["status"] == "missing"
    assert "/proc/bus" in findings["/proc"]["why"]
    assert findings["user namespaces"]["status"] == "missing"
    assert "systempaths=unconfined" in findings["user namespaces"]["fix"]


@pytest.mark.slow
@pytest.mark.root
@needs_root
@needs_unshare
def test_user_namespaces_forbidden_and_mended_with_the_owners_word(place):
    """In a user namespace of the test's own, whose limit is not the machine's."""
    off = "echo 0 > /proc/sys/user/max_user_namespaces"
    done = inside(place, ["-Ur"], off, "--fix")
    _, findings = by_name(done)
    assert done.returncode == 1
    assert "user.max_user_namespaces" in findings["user namespaces"]["why"]
    assert "every user of this machine" in findings["user namespaces"]["did"]
    done = inside(place, ["-Ur"], off, "--fix", "-y")
    _, findings = by_name(done)
    assert findings["user namespaces"]["status"] == "ok", findings["user namespaces"]
    assert "set user.max_user_namespaces" in findings["user namespaces"]["did"]
    # Without capabilities on the machine, what needs them is said to be less.
    assert findings["loop devices"]["status"] == "warn"
    assert findings["network"]["status"] == "ok"  # the place's setting is `none`


@pytest.mark.root
@needs_root
@needs_unshare
def test_a_disk_without_room(place):
    (place.folder / "data").mkdir()
    full = f"mount -t tmpfs -o size=1m none {place.folder / 'data'}"
    done = inside(place, ["-m"], full)
    _, findings = by_name(done)
    assert done.returncode == 1
    assert findings["disk space"]["status"] == "missing"
    assert "--data-dir" in findings["disk space"]["fix"]


def favoured():
    return any("favordynmods" in line for line in CGROUP2.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.root
@needs_root
def test_fix_changes_what_is_safe_and_says_so(place):
    before = favoured()
    _, findings = by_name(place.run("doctor", "--fix"))
    moves = findings["cgroup moves"]
    if before or moves["status"] != "ok":
        assert moves["status"] == "ok" or "not mended" in moves["did"]
        return
    try:
        assert favoured()
        assert "favordynmods" in moves["did"]
        assert by_name(place.run("doctor"))[1]["cgroup moves"]["did"] == ""
    finally:
        _as_it_was()


def _as_it_was():
    """A remount without the option takes it away again."""
    for line in CGROUP2.read_text().splitlines():
        if " - cgroup2 " in line:
            target = os.fsencode(line.split(" ")[4])
            options = line.rpartition(" ")[2].split(",")
            kept = ",".join(o for o in options if o not in {"rw", "ro", "favordynmods"})
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.mount(b"cgroup2", target, b"cgroup2", 32, kept.encode()) == 0
    assert not favoured()


def test_it_looks_with_the_settings_that_hold_here(place):
    (place.folder / "template.yaml").write_text("Metadata: {lambent: {settings: {prot: 1}}}\n")
    done = place.run("doctor")
    assert done.returncode == 2
    assert "error[SETTING_UNKNOWN]" in done.stderr
    (place.folder / "template.yaml").unlink()
    _, findings = by_name(place.run("doctor", LAMBENT_SANDBOX="process"))
    assert findings["user namespaces"]["status"] == "warn"
    assert findings["user namespaces"]["fix"]
