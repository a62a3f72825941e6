import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.delivery import archive
from lambent.delivery.problem import Problem

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=8))
def test_zipfile_reads_what_we_write(files: dict[str, bytes]) -> None:
    data = archive.write([archive.pack(name, raw) for name, raw in files.items()])
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None
        assert {info.filename: found.read(info) for info in found.infolist()} == files


def test_the_order_of_entries_does_not_matter() -> None:
    entries = [archive.pack(name, name.encode() * 50) for name in "cab"]
    assert archive.write(entries) == archive.write(reversed(entries))
    with zipfile.ZipFile(io.BytesIO(archive.write(entries))) as found:
        assert found.namelist() == ["a", "b", "c"]


def test_times_and_modes_are_fixed() -> None:
    data = archive.write([archive.pack("run", b"x", executable=True), archive.pack("data", b"x")])
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        run, plain = found.getinfo("run"), found.getinfo("data")
    assert run.date_time == (1980, 1, 1, 0, 0, 0)
    assert (run.external_attr >> 16, plain.external_attr >> 16) == (0o100755, 0o100644)
    assert run.create_system == 3


def test_entries_are_copied_without_being_deflated_again() -> None:
    entries = archive.pack_all([("a.py", b"a = 1\n" * 100, False), ("b", b"", True)])
    data = archive.write(entries)
    again = archive.read(data)
    assert {entry.name: entry for entry in again} == {entry.name: entry for entry in entries}
    assert archive.write(again) == data


def test_the_later_entry_of_a_name_wins() -> None:
    data = archive.write([archive.pack("a", b"old"), archive.pack("a", b"new")])
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.namelist() == ["a"]
        assert found.read("a") == b"new"


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    with pytest.raises(Problem) as caught:
        archive.write([archive.pack(str(i), b"") for i in range(3)])
    assert caught.value.code == "PACKAGE_TOO_MANY_FILES"
