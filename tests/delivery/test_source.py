from pathlib import Path

import pytest

from lambent.delivery import source
from lambent.delivery.problem import Problem


def names(root: Path) -> list[str]:
    return [file.name for file in source.files(root)]


def test_sorted_and_without_what_is_ignored(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", "a/b.txt", ".git/config", "__pycache__/b.pyc", "template.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".lambentignore").write_text("*.txt\n")
    assert names(tmp_path) == ["a/c.py", "b.py"]


def test_the_executable_bit_is_kept(tmp_path: Path) -> None:
    (tmp_path / "bootstrap").write_text("#!/bin/sh\n")
    (tmp_path / "bootstrap").chmod(0o755)
    assert source.files(tmp_path)[0].executable


def test_a_link_inside_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("x")
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert names(tmp_path) == ["link.txt", "real.txt"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside"])
def test_a_link_that_leaves_is_refused(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").write_text("secret")
    (root / "link").symlink_to(target)
    with pytest.raises(Problem) as caught:
        source.files(root)
    assert caught.value.code == "SYMLINK_LEAVES_SOURCE"
    assert caught.value.fix


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to("..", target_is_directory=True)
    with pytest.raises(Problem) as caught:
        source.files(tmp_path)
    assert caught.value.code == "SYMLINK_LOOP"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        source.files(tmp_path / "none")
    assert caught.value.code == "SOURCE_NOT_FOUND"
