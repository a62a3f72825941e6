import os
import signal
import sys
from pathlib import Path

import pytest

from lambent.delivery import interpreters
from lambent.delivery.syntax import Checker, Fault


@pytest.fixture
def checker():
    made = Checker(None)
    yield made
    made.close()
    made.close()


def test_one_process_answers_about_many_files(tmp_path, checker):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("import nothing_that_exists\n")
    bad.write_text("x = 1\nif x:\n\ty = (1,\n")
    assert checker.check([("good.py", good)]) == []
    (fault,) = checker.check([("good.py", good), ("pkg/bad.py", bad)])
    assert (fault.name, fault.line) == ("pkg/bad.py", 3)
    assert "'(' was never closed" in fault.message
    bad.write_text("x = 1\n")
    assert checker.check([("pkg/bad.py", bad)]) == []


def test_nothing_is_run(tmp_path, checker):
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert checker.check([("trap.py", trap)]) == []
    assert not (tmp_path / "ran").exists()


def test_files_that_are_none(tmp_path, checker):
    nulls = tmp_path / "nulls.py"
    nulls.write_bytes(b"x = 1\0")
    latin = tmp_path / "latin.py"
    latin.write_bytes(b"x = '\xe9'\n")
    names = [f.name for f in checker.check([("nulls.py", nulls), ("latin.py", latin)])]
    assert names == ["nulls.py", "latin.py"]
    assert checker.check([("gone.py", tmp_path / "gone.py")])[0].name == "gone.py"


def test_a_line_and_a_caret():
    fault = Fault("a.py", "invalid syntax", 12, 7, 9, "def x(:+\n")
    assert fault.picture() == ["   12 | def x(:+", "      |       ^^"]
    assert Fault("a.py", "m", 1, 3, 90, "\tab\n").picture()[1] == "      |   ^"
    assert Fault("a.py", "m").picture() == []
    assert Fault("a.py", "m", 4, None, None, "x\n").picture() == ["    4 | x"]


def test_the_functions_own_python_decides(tmp_path):
    older = next((p for v in ("3.9", "3.10") if (p := interpreters.find(v))), None)
    if older is None or sys.version_info < (3, 11):
        pytest.skip("no Python 3.9 or 3.10 here")
    newer = tmp_path / "newer.py"
    newer.write_text("try:\n    pass\nexcept* ValueError:\n    pass\n")
    checker = Checker(older)
    try:
        assert [fault.line for fault in checker.check([("newer.py", newer)])] == [3]
    finally:
        checker.close()


def test_a_killed_process_finds_nothing(tmp_path):
    checker = Checker(None)
    os.kill(checker._process.pid, signal.SIGKILL)
    checker._process.wait()
    path = tmp_path / "a.py"
    path.write_text("(")
    assert checker.check([("a.py", path)]) == []
    checker.close()
    assert not Path(f"/proc/{checker._process.pid}").exists()
