"""A fork of a template in a place of its own, as whoever runs the tests and as an ordinary user."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox import forks
from lambent.sandbox.forks import Forks

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"
NOBODY = 65534
NO_POWER = "0000000000000000"


def _fork(folder: Path, user: list[str], python: str) -> dict:
    ended = subprocess.run(
        [*user, python, "-B", str(HERE / "driver" / "fork_from_template.py"), str(folder)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def _check(facts: dict) -> None:
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {NO_POWER}
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp_filters"] == "2"
    assert facts["uid"] == 993
    assert facts["pids"] == [1, 2]
    assert facts["processes"] == [1025, 1025]
    # Not even where both are the same user's, and even without what the filter refuses.
    assert facts["pid 1"] == [errno.EACCES] * 4
    assert facts["found"] == {"threads": [], "connections": []}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="templates are written for x86_64")
def test_a_fork_is_born_powerless_in_its_place(tmp_path, isolation):
    tmp_path.chmod(0o755)
    facts = _fork(tmp_path, [], sys.executable)
    _check(facts)
    if os.geteuid() == 0:
        # What stands below it counts as its: a place takes two.
        most = facts["template's processes"]
        assert most > 1025 or most == resource.getrlimit(resource.RLIMIT_NPROC)[1] or most == -1


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="run by an ordinary user, the test above proves it")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="templates are written for x86_64")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_the_same_without_root(isolation):
    user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    python = "/usr/bin/python3"
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([*user, python, "-c", code], check=False).returncode:
        pytest.skip("no interpreter here that an unprivileged user may execute")
    folder = Path("/var/tmp") / f"lambent-forks-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    try:
        _check(_fork(folder, user, python))
    finally:
        shutil.rmtree(folder)


def test_an_end_is_told_whether_it_comes_before_or_after_the_question():
    told: list[int] = []
    known = Forks()
    known.ended(7, 9)
    known.expect(7, told.append)
    known.expect(8, told.append)
    known.ended(8, 0)
    known.expect(9, told.append)
    known.lost()
    assert told == [9, 0, 9]


def test_a_process_with_powers_is_no_fork():
    space = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        with pytest.raises(SandboxError, match="not confined"):
            forks.check(os.getpid(), [space, space])
    finally:
        os.close(space)
