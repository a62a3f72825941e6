"""Every failure that the sources name is explained, and nothing else is.

The walk finds the codes where they are written: the first argument of `Problem`, `code=` of
`SandboxError` and `ConfigurationError` (their default when it is left out), AWS's errors by their
classes, and the names that Lambda gives to what a function did.
"""

import ast
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import lambent
import lambent_inference
from lambent import errors
from lambent.problems import GROUPS, anchor, find, reference

SOURCES = Path(lambent.__file__).parent
TOOL = Path(lambent_inference.__file__).parent / "tool"
DEFAULTS = {"SandboxError": "SANDBOX_UNAVAILABLE", "ConfigurationError": "SETTING_INVALID"}
BY_FUNCTION = re.compile(r"(Runtime|Sandbox|Function|Extension)\.[A-Z][A-Za-z]+")
PASSED_ON = {"error.code", "code"}
"""What stands for a code where another's error becomes a Problem."""
AWS = {
    name: kind.code
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.AwsError) and kind is not errors.AwsError
}


def trees():
    for path in sorted(SOURCES.rglob("*.py")):
        if path.is_relative_to(SOURCES / "problems"):
            continue
        yield path.relative_to(SOURCES), ast.parse(path.read_text())
    # What `lambent model` runs tells its failures by code, and the command line passes them on.
    for path in sorted(TOOL.glob("*.py")):
        yield path.relative_to(TOOL.parent), ast.parse(path.read_text())


def name_of(call):
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def texts(node):
    """The strings that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return texts(body) + texts(orelse)
    return []


def code_node(call):
    for keyword in call.keywords:
        if keyword.arg == "code":
            return keyword.value
    return call.args[0] if name_of(call) in {"Problem", "Failure"} and call.args else None


def raised():
    """Code → where it is written."""
    found = {}
    for path, tree in trees():
        for node in ast.walk(tree):
            for code in codes(path, node):
                found.setdefault(code, []).append(f"{path}:{getattr(node, 'lineno', 0)}")
    return found


def codes(path, node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if BY_FUNCTION.fullmatch(node.value) else []
    if not isinstance(node, ast.Call):
        return []
    name = name_of(node)
    if name in AWS:
        return [AWS[name]]
    if name == "InvalidStateTransition":
        return [name]
    if name not in {"Problem", "Failure", "__init__", *DEFAULTS}:
        return []
    given = code_node(node)
    if given is None:
        return [DEFAULTS[name]] if name in DEFAULTS else []
    found = texts(given)
    if not found:
        assert ast.unparse(given) in PASSED_ON, f"{path}:{node.lineno}: a code must be written out"
    return found


RAISED = raised()


def test_the_walk_finds_what_there_is():
    assert {"PORT_IN_USE", "CANNOT_LISTEN"} <= RAISED.keys()  # an `if` expression
    assert {"SANDBOX_GONE", "SANDBOX_UNAVAILABLE", "AUTH_REQUIRED"} <= RAISED.keys()
    assert {"Runtime.ExitError", "ResourceNotFoundException"} <= RAISED.keys()


def test_every_code_is_explained():
    missing = {code: where for code, where in RAISED.items() if find(code) is None}
    assert not missing, "add them to src/lambent/problems/"


def test_every_explanation_is_of_a_code_that_is_raised():
    stale = {entry.code for group in GROUPS for entry in group.entries} - RAISED.keys()
    assert not stale, "remove them from src/lambent/problems/"


@pytest.mark.slow
def test_every_kind_of_our_errors_has_codes():
    """A new subclass of LambentError must be one whose codes the walk understands."""
    named = {"ConfigurationError", "SandboxError", "AwsError", "Problem", "InvalidStateTransition"}
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(
                ast.unparse(base).rpartition(".")[2] == "LambentError" for base in node.bases
            ):
                assert node.name in named, f"{path}: {node.name}"


@pytest.mark.parametrize(
    "entry", [entry for group in GROUPS for entry in group.entries], ids=lambda entry: entry.code
)
def test_an_explanation_is_whole(entry):
    for text in entry[1:]:
        assert text[-1] in ".:", text
        assert len(text) < 300
        assert "http" not in text


def test_codes_and_anchors_are_unique():
    entries = [entry.code for group in GROUPS for entry in group.entries]
    assert len(entries) == len(set(entries)) == len({anchor(code) for code in entries})


def test_a_reference_leads_to_a_heading():
    page = (Path(__file__).parents[1] / "docs" / "errors.md").read_text()
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert {anchor(code) for code in headings} == {
        anchor(entry.code) for group in GROUPS for entry in group.entries
    }
    assert reference("PORT_IN_USE") == "docs/errors.md#port_in_use"
    assert reference("Sandbox.Timedout") == "docs/errors.md#sandboxtimedout"
    assert reference("SomethingOfAws") is None


@pytest.mark.slow
def test_a_server_that_cannot_start_says_code_fix_and_page(tmp_path):
    (tmp_path / "lambent.sqlite").write_text("not a database, " * 100)
    listening = socket.create_server(("127.0.0.1", 0))
    taken = listening.getsockname()[1]
    environ = {"LAMBENT_DATA_DIR": str(tmp_path), "LAMBENT_PORT": "0", "HOME": str(tmp_path)}
    for more, code in (
        ({}, "STORE_UNUSABLE"),
        ({"LAMBENT_PORT": "many"}, "SETTING_INVALID"),
        ({"LAMBENT_HOST": "0.0.0.0"}, "AUTH_REQUIRED"),
        ({"LAMBENT_AUTH": "sigv4"}, "AUTH_KEYS_MISSING"),
        ({"LAMBENT_TLS_CERT": "/none"}, "TLS_INCOMPLETE"),
        ({"LAMBENT_DATA_DIR": "/proc/none"}, "FILE"),
        (
            {"LAMBENT_DATA_DIR": str(tmp_path / "fresh"), "LAMBENT_PORT": str(taken)},
            "CANNOT_LISTEN",
        ),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "lambent.server"],
            env=environ | more,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"error[{code}] "), done.stderr
        assert f"\n  doc   {reference(code)}\n" in done.stderr
        assert "Traceback" not in done.stderr
    listening.close()
