"""What wakes `dev`, and what does not."""

import os
import select

import pytest

from lambent.cli.live.watch import Watch


@pytest.fixture
def watch(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / "package" / "a.py").write_text("1")
    made = Watch([tmp_path])
    yield made
    made.close()


def woken(watch, wait_s=0.5):
    ready = bool(select.select([watch.fileno], [], [], wait_s)[0])
    if ready:
        watch.changed()
    return ready


def test_saves_of_every_kind_wake_it(tmp_path, watch):
    assert watch.how == "inotify"
    path = tmp_path / "package" / "a.py"
    path.write_text("2")
    assert woken(watch)
    assert not woken(watch, 0)
    (tmp_path / "beside").write_text("3")
    assert woken(watch)
    (tmp_path / "beside").rename(path)
    assert woken(watch)
    path.unlink()
    assert woken(watch)
    path.symlink_to("elsewhere")
    assert woken(watch)


def test_a_file_that_is_still_being_written_does_not(tmp_path, watch):
    path = tmp_path / "package" / "a.py"
    with path.open("w") as file:
        file.write("half")
        file.flush()
        assert not woken(watch, 0.1)
    assert woken(watch)


def test_folders_that_appear_are_watched(tmp_path, watch):
    (tmp_path / "package" / "deep" / "er").mkdir(parents=True)
    assert woken(watch)
    (tmp_path / "package" / "deep" / "er" / "b.py").write_text("1")
    assert woken(watch)


def test_what_is_not_packaged_is_not_watched(tmp_path, watch):
    (tmp_path / ".venv" / "lib" / "x.py").write_text("1")
    assert not woken(watch, 0.1)


def test_links_that_go_round_or_out_end(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "out").symlink_to("/usr")
    made = Watch([tmp_path / "in"])
    assert made.how == "inotify"
    made.close()


def test_without_inotify_it_looks_now_and_then(tmp_path, monkeypatch):
    from lambent.cli.live import inotify

    def full(_self, folder):
        raise OSError(28, os.strerror(28), str(folder))

    monkeypatch.setattr(inotify.Inotify, "add", full)
    made = Watch([tmp_path])
    assert made.fileno is None
    assert made.how == f"every 0.5 s ({os.strerror(28)})"
    made.changed()
    made.close()
