"""What a compiler's answers become, and the compiler itself as a process on every interpreter here.

How it is bounded and ended in its sandbox: tests/engine/test_bytecode.py.
"""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from lambent.runtimes import bytecode
from lambent.runtimes.bytecode import Compilation, best, compiled
from lambent.runtimes.launch import Planner

PY = "python3.12"
UNCHECKED = b"\x01\0\0\0"


def frame(pyc: bytes) -> bytes:
    return len(pyc).to_bytes(4, "big") + pyc


def snapshot(tree: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """All that can be seen of a tree: names, inodes, times, contents."""
    found = {}
    for path in sorted([tree, *tree.rglob("*")]):
        stat = path.lstat()
        content = (
            os.readlink(path) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        )
        found[str(path)] = (stat.st_ino, stat.st_mtime_ns, content)
    return found


@pytest.fixture
def tree(tmp_path: Path, make) -> Path:
    made = tmp_path / "trees" / "aa"
    make.files(
        made,
        {
            "app.py": "import pkg.one\n",
            "data.txt": "data",
            "pkg/__init__.py": "",
            "pkg/one.py": "VALUE = 1\n",
        },
    )
    (made / "link").symlink_to("pkg")
    return made


def run_compiler(planner: Planner, target, compilation: Compilation) -> int:
    """As the engine does, without its sandbox; the process's exit status."""
    planner.ground(target)
    plan = planner.compiler(target)
    process = subprocess.Popen(
        plan.argv, env=dict(plan.env), cwd=plan.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdin.write(compilation.remaining())
    process.stdin.close()
    compilation.receive(process.stdout)
    return process.wait(60)


def test_bytecode_stands_in_a_second_tree_and_the_first_is_never_touched(tree):
    before = snapshot(tree)
    compilation = Compilation(tree, PY)
    assert compilation.open()
    assert compilation.remaining() == b"app.py\0pkg/__init__.py\0pkg/one.py"
    assert best(tree, PY) == tree
    compilation.receive(io.BytesIO(frame(b"app") + frame(b"") + frame(b"one")))
    assert compilation.remaining() == b""
    assert best(tree, PY) == tree, "visible before it is whole"
    compilation.publish()

    made = best(tree, PY)
    assert made == compiled(tree, PY) == tree.with_name("aa.python3.12")
    assert (made / "__pycache__/app.cpython-312.pyc").read_bytes() == b"app"
    assert (made / "pkg/__pycache__/one.cpython-312.pyc").read_bytes() == b"one"
    assert not (made / "pkg/__pycache__/__init__.cpython-312.pyc").exists()
    assert os.readlink(made / "link") == "pkg"
    assert (made / "data.txt").samefile(tree / "data.txt")
    assert {path.stat().st_mode & 0o777 for path in made.rglob("*.pyc")} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in made.rglob("*") if path.is_dir()} == {0o755}
    assert made.stat().st_mode & 0o777 == 0o755
    after = snapshot(tree)
    assert after == before
    assert sorted(entry.name for entry in tree.parent.iterdir()) == ["aa", "aa.python3.12"]
    assert not Compilation(tree, PY).open(), "compiled twice"
    assert Compilation(tree, "python3.13").open(), "one version's bytecode is not another's"


def test_where_nothing_is_missing_nothing_is_made_and_that_is_remembered(tree):
    compilation = Compilation(tree, PY)
    compilation.open()
    compilation.receive(io.BytesIO(frame(b"") * 3))
    compilation.publish()
    assert best(tree, PY) == tree
    assert compiled(tree, PY).is_symlink()
    assert not Compilation(tree, PY).open()


def test_what_a_kill_left_half_made_is_made_anew(tree):
    killed = Compilation(tree, PY)
    killed.open()
    killed.receive(io.BytesIO(frame(b"half")))
    assert best(tree, PY) == tree
    again = Compilation(tree, PY)
    assert again.open()
    assert not list(tree.parent.rglob("*.pyc"))
    again.receive(io.BytesIO(frame(b"app") + frame(b"init") + frame(b"one")))
    again.publish()
    assert (best(tree, PY) / "__pycache__/app.cpython-312.pyc").read_bytes() == b"app"


@pytest.mark.parametrize(
    "said", [b"", b"\0\0", b"\0\0\0\x09half", b"\xff\xff\xff\xff" + b"x" * 100]
)
def test_a_compiler_that_ends_or_talks_nonsense_costs_one_source(tree, said):
    compilation = Compilation(tree, PY)
    compilation.open()
    compilation.receive(io.BytesIO(frame(b"app") + said))
    assert compilation.remaining() == b"pkg/one.py"
    compilation.receive(io.BytesIO(frame(b"one") + b"and more that nobody asked for"))
    compilation.publish()
    assert compilation.files == 2


def test_after_enough_deaths_the_rest_stays_as_it_is(tree):
    for i in range(9):
        (tree / f"z{i}.py").touch()
    compilation = Compilation(tree, PY)
    compilation.open()
    rounds = 0
    while compilation.remaining():
        compilation.receive(io.BytesIO())
        rounds += 1
    assert rounds == bytecode.MOST_SKIPPED


def test_the_bytecode_of_a_package_is_bounded(tree, monkeypatch):
    monkeypatch.setattr(bytecode, "MOST", 5)
    compilation = Compilation(tree, PY)
    compilation.open()
    compilation.receive(io.BytesIO(frame(b"1234") + frame(b"56") + frame(b"7")))
    compilation.publish()
    assert [path.read_bytes() for path in best(tree, PY).rglob("*.pyc")] == [b"1234"]


def test_names_lead_nowhere_else(tree, tmp_path):
    """Links and files where bytecode would stand: never followed, never replaced."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "a").mkdir()
    (tree / "a/m.py").touch()
    (tree / "a/__pycache__").symlink_to(outside)
    (tree / "b").mkdir()
    (tree / "b/m.py").touch()
    (tree / "b/__pycache__").write_text("a file")
    (tree / "c/__pycache__/m.cpython-312.pyc").mkdir(parents=True)
    (tree / "c/m.py").touch()
    (tree / f"{'n' * 250}.py").touch()
    (tree / "linked.py").symlink_to(outside / "secret.py")
    (tree / "new\nline.py").touch()
    compilation = Compilation(tree, PY)
    compilation.open()
    names = compilation.remaining().split(b"\0")
    assert b"linked.py" not in names
    assert b"new\nline.py" in names
    compilation.receive(io.BytesIO(b"".join(frame(name) for name in names)))
    compilation.publish()
    assert not list(outside.iterdir())
    found = {path.read_bytes() for path in best(tree, PY).rglob("*.pyc") if path.is_file()}
    assert found == {b"app.py", b"pkg/__init__.py", b"pkg/one.py", b"new\nline.py"}
    assert (best(tree, PY) / "b/__pycache__").read_text() == "a file"


def test_each_python_compiles_what_it_would_import(runtime, planner, tree, make):
    """Real compilers: valid bytecode stays, stale is replaced, what is no Python is passed over."""
    target = make.target(tree, runtime)
    tag = runtime.removeprefix("python").replace(".", "")
    python = planner.ground(target)
    interpreter = str(python.lang_dir / "bin" / python.interpreter)
    cache = tree / "__pycache__"
    make.files(
        tree,
        {
            "fresh.py": "A = 1\n", "stale.py": "B = 1\n", "hashed.py": "C = 1\n",
            "wrong.py": "def f(:\n", "latin.py": b"# -*- coding: latin-1 -*-\nD = '\xe9'\n",
            "bytes.py": b"\0\xff\xfe", "warns.py": "E = '\\d'\nassert (1, 'x')\n",
            "evil.py": "import os\nopen('/tmp/never', 'w')\nos._exit(3)\n",
        },
    )  # fmt: skip
    env = {"LD_LIBRARY_PATH": f"{python.lang_dir}/lib"}
    for name, mode in (("fresh", "TIMESTAMP"), ("stale", "TIMESTAMP"), ("hashed", "CHECKED_HASH")):
        script = (
            "import py_compile, sys;"
            f"py_compile.compile(sys.argv[1], invalidation_mode=py_compile.PycInvalidationMode.{mode})"
        )
        subprocess.run(
            [interpreter, "-S", "-c", script, str(tree / f"{name}.py")], check=True, env=env
        )
    (tree / "stale.py").write_text("B = 22\n")
    # A compiler of another version or a broken tool left this one.
    (cache / f"app.cpython-{tag}.pyc").write_bytes(b"not bytecode at all")
    before = snapshot(tree)

    compilation = Compilation(tree, runtime)
    assert compilation.open()
    assert run_compiler(planner, target, compilation) == 0
    compilation.publish()
    made = best(tree, runtime)
    assert snapshot(tree) == before
    for name in ("fresh", "hashed"):
        assert (made / f"__pycache__/{name}.cpython-{tag}.pyc").samefile(
            cache / f"{name}.cpython-{tag}.pyc"
        )
    names = {path.name.split(".")[0] for path in made.rglob("*.pyc")}
    assert names == {"app", "__init__", "one", "fresh", "hashed", "stale", "latin", "warns", "evil"}
    for name in ("app", "stale", "latin", "warns"):
        pyc = (made / f"__pycache__/{name}.cpython-{tag}.pyc").read_bytes()
        assert pyc[4:8] == UNCHECKED
        assert f"/var/task/{name}.py".encode() in pyc

    shown = subprocess.run(
        [interpreter, "-S", "-B", "-v", "-c",
         "import pkg.one, stale, latin; print([pkg.one.VALUE, stale.B, latin.D])"],
        env=env | {"PYTHONPATH": str(made), "PYTHONIOENCODING": "utf8"}, capture_output=True,
        text=True, encoding="utf8", check=True,
    )  # fmt: skip
    assert shown.stdout.strip() == "[1, 22, 'é']"
    for name in ("stale", "latin"):
        assert f"code object from '{made}/__pycache__/{name}.cpython-{tag}.pyc'" in shown.stderr


def test_tracebacks_have_the_function_s_names_and_lines(start, planner, tmp_path, make):
    """Compiled as /var/task; import corrects the name where code is elsewhere, so lines are found."""
    tree = tmp_path / "code0"  # where `start` puts a function
    make.files(
        tree,
        {"app.py": "import sys\ndef handler(event, context):\n    return 1 / event['by']\n"},
    )
    compilation = Compilation(tree, make.running)
    compilation.open()
    run_compiler(planner, make.target(tree), compilation)
    compilation.publish()
    process = start({}, environment={"PYTHONVERBOSE": "1"}).ready()
    assert process.fail({"by": 0})["stackTrace"] == [
        "  File \"/var/task/app.py\", line 3, in handler\n    return 1 / event['by']\n"
    ]
    made = best(tree, make.running)
    assert any(f"code object from '{made}/__pycache__/app." in line for line in process.events())


def test_hostile_sources_do_not_end_it_for_the_others(planner, tree, make):
    """Deep nesting, a source for a fresh 10 MB, and constants that fold into a thousand times more."""
    make.files(
        tree,
        {
            "deep.py": "(" * 100_000 + ")" * 100_000,
            "deeper.py": "-" * 1_000_000 + "1",
            "large.py": b"#" * 10_000_001,
            "folds.py": "x = [" + "'x' * 4096," * 5_000 + "]\n",
            "zz.py": "LAST = 1\n",
        },
    )
    target = make.target(tree)
    compilation = Compilation(tree, make.running)
    compilation.open()
    while compilation.remaining():
        run_compiler(planner, target, compilation)
    compilation.publish()
    names = {path.name.split(".")[0] for path in best(tree, make.running).rglob("*.pyc")}
    assert {"app", "one", "zz"} <= names
    assert not names & {"deep", "large"}


def test_the_compiler_ends_with_whoever_reads_it(planner, tree, make):
    """Nothing is left when the server is killed: the next answer has no reader."""
    for i in range(2_000):
        (tree / f"m{i}.py").write_text("x = 1\n" * 200)
    target = make.target(tree)
    planner.ground(target)
    plan = planner.compiler(target)
    compilation = Compilation(tree, make.running)
    compilation.open()
    process = subprocess.Popen(
        plan.argv, env=dict(plan.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process.stdin.write(compilation.remaining())
    process.stdin.close()
    assert process.stdout.read(4)
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
    process.stdout.close()
    assert process.wait(60) != 0
