"""Paths of an image are followed inside it, whatever its links say."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent.images import inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "rootfs"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool3").write_text("x")
    (root / "usr/bin/tool3").chmod(0o755)
    (root / "usr/bin/plain").write_text("x")
    (tmp_path / "outside").write_text("x")
    return root


def test_absolute_links_mean_the_images_root(root: Path) -> None:
    (root / "bin").symlink_to("/usr/bin")
    (root / "usr/bin/tool").symlink_to("tool3")
    assert inside.find(root, "/bin/tool") == root / "usr/bin/tool3"
    assert inside.which(root, "tool", "/nowhere:relative:/bin/") == "/bin/tool"


@pytest.mark.parametrize("target", ["../../../outside", "../../../../../../etc/passwd", "/outside"])
def test_links_do_not_lead_out(root: Path, target: str) -> None:
    (root / "usr/bin/out").symlink_to(target)
    assert inside.find(root, "/usr/bin/out") is None


def test_dots_stop_at_the_root(root: Path) -> None:
    assert inside.find(root, "/../../usr/bin/../bin/tool3") == root / "usr/bin/tool3"


def test_circles_end(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert inside.find(root, "/a/x") is None


def test_only_what_may_be_executed_is_a_program(root: Path) -> None:
    assert inside.is_program(root, "/usr/bin/tool3")
    assert not inside.is_program(root, "/usr/bin/plain")
    assert not inside.is_program(root, "/usr/bin")
    assert inside.which(root, "/usr/bin/plain", "") is None
