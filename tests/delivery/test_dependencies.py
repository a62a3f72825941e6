import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from lambent.delivery import dependencies, platforms
from lambent.delivery.problem import Problem

MakeWheel = Callable[..., Path]
Require = Callable[..., None]


def platform(runtime: str = "python3.13", architecture: str = "x86_64") -> platforms.Platform:
    found = platforms.of(runtime, architecture)
    assert found is not None
    return found


def build(project: Path, where: platforms.Platform, *, compiled: bool = False) -> dict[str, bytes]:
    wanted = dependencies.requirements(project)
    assert wanted is not None
    entries = dependencies.Store().entries(wanted, where, compiled=compiled)
    return {entry.name: entry.data for entry in entries}


def test_the_wheel_of_the_functions_platform_is_taken(
    make_wheel: MakeWheel, project: Path, require: Require
) -> None:
    for tag in (
        "cp313-cp313-manylinux_2_34_x86_64",
        "cp313-cp313-manylinux_2_17_aarch64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_34_x86_64",
        "cp313-cp313-macosx_11_0_arm64",
    ):
        make_wheel("native", {f"native/{tag}.txt": "x", "native/__init__.py": ""}, tag)
    require("native")

    def taken(runtime: str, architecture: str = "x86_64") -> str:
        names = build(project, platform(runtime, architecture))
        return next(n for n in names if n.endswith(".txt") and n.startswith("native/"))

    assert taken("python3.13") == "native/cp313-cp313-manylinux_2_34_x86_64.txt"
    assert taken("python3.13", "arm64") == "native/cp313-cp313-manylinux_2_17_aarch64.txt"
    # Amazon Linux 2 has glibc 2.26: a wheel for 2.34 would not load.
    assert taken("python3.11") == "native/cp311-cp311-manylinux_2_17_x86_64.txt"


def test_a_package_without_a_wheel_is_named(
    make_wheel: MakeWheel, project: Path, require: Require
) -> None:
    make_wheel("native", {"native/__init__.py": ""}, "cp311-cp311-manylinux_2_17_x86_64")
    require("native")
    with pytest.raises(Problem) as caught:
        build(project, platform())
    assert caught.value.code in {"NO_WHEEL", "DEPENDENCIES_FAILED"}
    assert "native" in caught.value.message + caught.value.why
    assert caught.value.fix


def test_an_unknown_package_is_named(project: Path, require: Require, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    require("no-such-thing")
    with pytest.raises(Problem) as caught:
        build(project, platform())
    assert "no-such-thing" in caught.value.message + caught.value.why


def test_what_a_function_cannot_use_is_left_out(
    make_wheel: MakeWheel, project: Path, require: Require
) -> None:
    make_wheel(
        "pack",
        {
            "pack/__init__.py": "x = 1\n",
            "pack/data.json": "{}",
            "pack/tests/__init__.py": "",
            "pack/tests/test_x.py": "def test(): pass\n",
            "pack/tests/data/deep.bin": "x",
            "pack/tests/_natype.py": "used = True\n",
            "pack/test/client.py": "used = True\n",
            "pack/other/tests/api.py": "not_a_test = True\n",
            "pack/core.pyx": "x",
            "pack-1.0.dist-info/entry_points.txt": "[console_scripts]\npack = pack:main\n",
        },
    )
    require("pack")
    names = set(build(project, platform()))
    assert {"pack/__init__.py", "pack/data.json", "pack/test/client.py"} <= names
    assert "pack/other/tests/api.py" in names
    # numpy.testing imports a module of numpy's tests: only the tests themselves go.
    assert {name for name in names if name.startswith("pack/tests/")} == {
        "pack/tests/__init__.py",
        "pack/tests/_natype.py",
    }
    assert not any(name.endswith(".pyx") for name in names)
    assert {"pack-1.0.dist-info/METADATA", "pack-1.0.dist-info/entry_points.txt"} <= names
    assert "pack-1.0.dist-info/INSTALLER" not in names
    assert not any(name.startswith("bin/") for name in names)


def test_record_lists_what_is_there_and_no_machine(
    make_wheel: MakeWheel, project: Path, require: Require
) -> None:
    make_wheel(
        "pack",
        {
            "pack/__init__.py": "",
            "pack/tests/test_x.py": "",
            "pack-1.0.dist-info/entry_points.txt": "[console_scripts]\npack = pack:main\n",
        },
    )
    require("pack")
    wanted = dependencies.requirements(project)
    assert wanted is not None
    entries = {e.name: e for e in dependencies.Store().entries(wanted, platform(), compiled=False)}
    record = entries["pack-1.0.dist-info/RECORD"]
    import zlib

    text = (zlib.decompress(record.data, -15) if record.deflated else record.data).decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert {row[0] for row in rows} == set(entries)
    assert all(row[1:] == ["", ""] for row in rows)


def test_a_second_build_needs_nothing(
    make_wheel: MakeWheel, project: Path, require: Require
) -> None:
    wheel = make_wheel("pack", {"pack/__init__.py": ""})
    require("pack")
    first = build(project, platform())
    wheel.unlink()
    assert build(project, platform()) == first
    # Another Python is another build, which now fails.
    with pytest.raises(Problem):
        build(project, platform("python3.12"))


def test_a_change_of_requirements_is_a_new_build(
    make_wheel: MakeWheel, project: Path, require: Require
) -> None:
    make_wheel("one", {"one.py": ""})
    make_wheel("two", {"two.py": ""})
    require("one")
    assert "two.py" not in build(project, platform())
    require("one", "two")
    assert "two.py" in build(project, platform())


def test_a_failed_build_leaves_nothing(
    project: Path, require: Require, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    require("absent")
    store = dependencies.Store(tmp_path / "store")
    wanted = dependencies.requirements(project)
    assert wanted is not None
    with pytest.raises(Problem):
        store.entries(wanted, platform(), compiled=False)
    assert list(store.root.iterdir()) == []


def test_pyproject_names_dependencies_too(project: Path, make_wheel: MakeWheel) -> None:
    assert dependencies.requirements(project) is None
    (project / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    assert dependencies.requirements(project) is None
    (project / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\ndependencies = ["pack"]\n'
    )
    wanted = dependencies.requirements(project)
    assert wanted is not None
    assert wanted.text == "pack"
    (project / "requirements.txt").write_text("# nothing\n\n")
    assert dependencies.requirements(project) is None


def test_other_runtimes_have_no_python_platform() -> None:
    assert platforms.of("provided.al2023", "x86_64") is None
    assert platforms.of("nodejs22.x", "x86_64") is None


@pytest.mark.slow  # from the package index
def test_a_compiled_package_from_the_index(project: Path) -> None:
    (project / "requirements.txt").write_text("markupsafe==3.0.3\n")
    names = build(project, platform("python3.13"))
    assert any(n.startswith("markupsafe/_speedups.cpython-313-x86_64") for n in names)


@pytest.mark.slow  # from the package index
def test_a_package_that_is_only_source_is_refused_then_allowed(project: Path) -> None:
    (project / "requirements.txt").write_text("docopt==0.6.2\n")
    with pytest.raises(Problem) as caught:
        build(project, platform())
    assert caught.value.code == "NO_WHEEL"
    assert "docopt" in caught.value.message
    assert "--allow-source docopt" in caught.value.fix
    allowed = dependencies.requirements(project, ("docopt",))
    assert allowed is not None
    entries = dependencies.Store().entries(allowed, platform(), compiled=False)
    assert "docopt.py" in {entry.name for entry in entries}
