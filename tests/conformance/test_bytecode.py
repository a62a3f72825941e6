"""A package without bytecode on a live server: its later environments import what was compiled."""

from __future__ import annotations

import os

HELPER = "def fail():\n    raise ValueError('as written')\n"
HANDLER = """
import os, helper
def handler(event, context):
    if event.get("fail"):
        helper.fail()
    return {
        "cached": os.path.exists(helper.__cached__),
        "there": sorted(os.listdir("/var/task")),
        "writable": os.access("/var/task", os.W_OK),
    }
"""


def test_a_later_environment_imports_what_was_compiled(start_server, until) -> None:
    files = {"app.py": HANDLER, "helper.py": HELPER}
    server = start_server()
    name = server.function("f", files, Environment={"Variables": {"PYTHONVERBOSE": "1"}})
    trees = server.data_dir / "artifacts/trees"
    (tree,) = (path for path in trees.iterdir() if "." not in path.name)
    made = until(lambda: next(iter(trees.glob(f"{tree.name}.python3*[0-9]")), None))
    assert sorted(os.listdir(tree)) == ["app.py", "helper.py"]

    found = server.invoke(name)
    assert found == {
        "cached": True,
        "there": ["__pycache__", "app.py", "helper.py"],
        "writable": False,
    }
    # What the interpreter itself says: the code came from there, and was not compiled.
    for module in ("app", "helper"):
        said = f"# code object from '/var/task/__pycache__/{module}.cpython-"
        until(lambda said=said: any(said in line for line in server.log(name)))
    answer = server.client.invoke(FunctionName=name, Payload=b'{"fail": true}')
    error = answer["Payload"].read().decode()
    assert "/var/task/helper.py" in error
    assert "raise ValueError('as written')" in error

    # A restart compiles nothing twice.
    inode = made.stat().st_ino
    assert server.stop() == 0
    again = start_server()
    assert again.invoke(name)["cached"]
    again.client.publish_version(FunctionName=name)
    other = again.function("other", {"app.py": "def handler(e, c): pass\n"})
    until(lambda: len(list(trees.glob("*.python3*[0-9]"))) == 2)
    assert made.stat().st_ino == inode
    assert again.invoke(other) is None
    assert again.stop() == 0
    assert not list(trees.glob("*.making"))


def test_a_killed_server_leaves_no_compiler(start_server, until) -> None:
    """The next start ends what is left of it, as of every sandbox, and does the work."""
    files = {f"m{i}.py": "x = {'a': [1, 2, 3]}\n" * 3_000 for i in range(60)}
    server = start_server()
    server.function(
        "f", {"app.py": "import m0\ndef handler(e, c): return m0.__cached__\n", **files}
    )
    trees = server.data_dir / "artifacts/trees"
    until(lambda: list(trees.glob("*.making")))
    server.stop(9)
    again = start_server()
    until(lambda: [path for path in trees.glob("*.python3*[0-9]") if path.is_dir()], 100)
    assert not list(trees.glob("*.making"))
    assert again.invoke("f").startswith("/var/task/__pycache__/m0.")
    assert again.stop() == 0
