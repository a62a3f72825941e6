"""The same promises without root, proved by a server that runs as another user.

As root the attacks are repeated by user 65534 with an interpreter that this user may execute. Run
by an ordinary user, `test_attacks` has proved the same already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534


def as_nobody() -> list[str]:
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]


def python_for_others() -> str | None:
    """An interpreter of at least 3.11 that an unprivileged user can execute."""
    # It must start itself: setpriv's own exec still has root's way through closed folders.
    again = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'pass']) "
    test = again + "or sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            ended = subprocess.run(
                [*as_nobody(), python, "-c", test], capture_output=True, check=False
            )
        except OSError:
            continue
        if ended.returncode == 0:
            return python
    return None


pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="run by an ordinary user, test_attacks proves it"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv"),
]


@pytest.fixture(scope="module")
def unprivileged_attacks(tmp_path_factory, attack_runner):
    python = python_for_others()
    if python is None:
        pytest.skip("no interpreter here that an unprivileged user may execute")
    # Below pytest's own folders, which only their owner may enter.
    folder = Path("/var/tmp") / f"lambent-test-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    try:
        yield attack_runner(folder, python, as_nobody())
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
def test_promise_holds(unprivileged_attacks, attack_name):
    result = unprivileged_attacks[attack_name]
    if attack_name == "memory_eater":
        assert result["code"] == 12, result
    else:
        assert result["code"] == 0, result["text"] or result
    assert result["alive"], "the place did not survive the attack"


@pytest.fixture(scope="module")
def container_attacks(tmp_path_factory, attack_runner):
    container = [sys.executable, str(Path(__file__).parent / "driver" / "in_container.py")]
    return attack_runner(tmp_path_factory.mktemp("attacks"), sys.executable, container)


@pytest.mark.slow
def test_promise_holds_for_root_of_a_container(container_attacks, attack_name):
    result = container_attacks[attack_name]
    if attack_name == "memory_eater":
        assert result["oom"] or result["code"] == 12, result
    else:
        assert result["code"] == 0, result["text"] or result
    assert result["alive"], "the place did not survive the attack"


PROBE = (
    "from lambent.sandbox.choose import probe; e = probe(); "
    "print(e); print(getattr(e, 'code', '')); print(getattr(e, 'fix', ''))"
)


@pytest.mark.parametrize(
    ("obstacle", "why", "fix"),
    [
        ("mount -t tmpfs none /proc/tty", "masked", "systempaths=unconfined"),
        (
            "echo 0 > /proc/sys/user/max_user_namespaces",
            "user namespaces",
            "unprivileged_userns_clone",
        ),
    ],
)
def test_what_stands_in_the_way_is_found_and_told(attack_runner, obstacle, why, fix):
    """Made for real in a user namespace of its own, where it harms nobody."""
    script = f'{obstacle} && exec "$0" -c "$1"'
    said = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script,
         sys.executable, PROBE],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    reason, code, remedy = said.splitlines()
    assert why in reason
    assert code == "SANDBOX_UNAVAILABLE"
    assert fix in remedy
