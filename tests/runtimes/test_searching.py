"""Programs in other people's folders."""

from pathlib import Path

from lambent.runtimes.searching import mark, newest_first


def test_the_newest_comes_first(tmp_path):
    for version in ("3.9.20", "3.10.2", "3.10.11", "other"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "python").touch()
    found = newest_first(tmp_path, "3.*/bin/python")
    assert [path.parts[-3] for path in found] == ["3.10.11", "3.10.2", "3.9.20"]
    assert newest_first(tmp_path / "none", "*") == []


class Forbidden(type(Path())):
    """`su` keeps PYENV_ROOT, and with it a home that the new user may not enter."""

    def glob(self, *_, **__):
        raise PermissionError(13, "Permission denied")


def test_a_folder_that_may_not_be_read_is_passed_over():
    assert newest_first(Forbidden("/"), "*") == []


def test_only_what_can_be_run_has_a_mark(tmp_path):
    file = tmp_path / "program"
    assert mark(file) is None
    file.write_text("#!/bin/sh\n")
    assert mark(file) is None
    file.chmod(0o755)
    before = mark(file)
    file.write_text("#!/bin/sh\necho 2\n")
    assert mark(file) not in (None, before)
