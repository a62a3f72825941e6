"""Which images our runtime serves, and with which of their interpreters."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent.errors import InvalidRuntime
from lambent.images.manifest import Config
from lambent.runtimes.image_handlers import ENTRY_POINT, Managed, find


def made(root: Path, *programs: str, files: tuple[str, ...] = ()) -> Path:
    for name in (*programs, *files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o755 if name in programs else 0o644)
    return root


def asked(
    root: Path, command: str = "app.handler", entry: tuple[str, ...] = (), **env: str
) -> Managed | None:
    config = Config(entry, (command,), "/srv", env)
    return find(root, config, entry, (command,), "/srv")


def test_the_images_python(tmp_path: Path) -> None:
    root = made(tmp_path, "usr/local/bin/python3.12", "usr/bin/python3.9")
    (root / "usr/local/bin/python3").symlink_to("python3.12")
    found = asked(root)
    assert found == Managed("app.handler", "python", "/usr/local/bin/python3", "3.12", "/srv")


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("var/lang/bin/python3.13", "/var/lang/bin/python3.13"),
        ("usr/bin/python3.11", "/usr/bin/python3.11"),
    ],
)
def test_found_by_its_full_name(tmp_path: Path, program: str, path: str) -> None:
    found = asked(made(tmp_path, program))
    assert found is not None
    assert found.interpreter == path


def test_a_virtual_environment_on_the_path_comes_first(tmp_path: Path) -> None:
    root = made(tmp_path, "usr/local/bin/python3.12")
    (root / "app/.venv/bin").mkdir(parents=True)
    (root / "app/.venv/bin/python3").symlink_to("/usr/local/bin/python3.12")
    found = asked(root, PATH="/app/.venv/bin:/usr/local/bin")
    assert found is not None
    assert (found.interpreter, found.minor) == ("/app/.venv/bin/python3", "3.12")


def test_awss_base_image_runs_as_it_is(tmp_path: Path) -> None:
    root = made(
        tmp_path, "lambda-entrypoint.sh", "var/runtime/bootstrap", "var/lang/bin/python3.12"
    )
    assert asked(root, entry=(ENTRY_POINT,)) is None
    (root / "var/runtime/bootstrap").unlink()
    assert asked(root, entry=(ENTRY_POINT,)) is not None


def test_a_program_of_the_image_is_started(tmp_path: Path) -> None:
    root = made(tmp_path, "usr/bin/run.sh", "usr/bin/python3.12")
    assert asked(root, "run.sh") is None
    assert asked(root, "/usr/bin/run.sh") is None
    assert asked(root, "serve") is None, "not the form of a handler: what AWS does with it"
    assert asked(root, entry=("/usr/bin/python3.12", "-m", "awslambdaric")) is None


def test_node_serves_node_modules(tmp_path: Path) -> None:
    root = made(tmp_path, "usr/bin/node", "usr/bin/python3.12", files=("srv/app.mjs",))
    assert (found := asked(root))
    assert found.language == "node"
    made(root, files=("srv/app.py",))
    assert (found := asked(root))
    assert found.language == "python"


def test_what_cannot_be_served_says_why(tmp_path: Path) -> None:
    with pytest.raises(InvalidRuntime, match="neither python3 nor node"):
        asked(tmp_path)
    with pytest.raises(InvalidRuntime, match=r"its Python is 3\.8"):
        asked(made(tmp_path, "usr/bin/python3.8"))
    made(tmp_path, "usr/bin/python3.12")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/runtime").symlink_to("/etc")
    with pytest.raises(InvalidRuntime, match="is a link"):
        asked(tmp_path)
