"""Completion as the shells ask for it; bash itself presses Tab where it is installed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lambent.cli.verbs import VERBS

LAMBENT = Path(sys.executable).parent / "lambent"


def ask(place, line, shell="bash"):
    """What is offered for the last word of a command line; (type, value, help) as the shell gets it."""
    words = line.split(" ")
    done = place.run(
        _LAMBENT_COMPLETE=f"{shell}_complete",
        COMP_WORDS=line,
        COMP_CWORD=words[-1] if shell == "fish" else str(len(words) - 1),
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.slow
def test_verbs_and_flags(place):
    assert ask(place, "lambent ") == [f"plain,{name}" for name in VERBS]
    assert ask(place, "lambent de") == ["plain,dev" if n == "dev" else f"plain,{n}"
                                        for n in VERBS if n.startswith("de")]  # fmt: skip
    assert ask(place, "lambent --re") == ["plain,--region"]
    assert ask(place, "lambent --region ") == []
    assert ask(place, "lambent --region eu-west-1 conf") == ["plain,config"]
    assert ask(place, "lambent config show --or") == ["plain,--origin"]
    assert ask(place, "lambent config s") == ["plain,show"]
    assert set(ask(place, "lambent up --sandbox ")) == {
        "plain,auto", "plain,namespaces", "plain,process"
    }  # fmt: skip
    assert "plain,--profile" in ask(place, "lambent invoke --pro")
    assert ask(place, "lambent nonsense ") == []
    assert ask(place, "lambent completion f", shell="fish") == ["plain,fish"]


def test_zsh_gets_descriptions(place):
    lines = ask(place, "lambent statu", shell="zsh")
    assert lines == ["plain", "status", VERBS["status"].text.replace(":", "\\:")] or lines == [
        "plain", "status", VERBS["status"].text
    ]  # fmt: skip


@pytest.mark.slow
def test_functions_of_the_template_and_of_the_server(place):
    (place.folder / "template.yaml").write_text(
        "Resources: {F: {Type: AWS::Serverless::Function, Properties: "
        "{FunctionName: planned, Handler: a.b, Runtime: python3.13}}}\n"
    )
    assert ask(place, "lambent invoke ") == ["plain,planned"]
    assert ask(place, "lambent invoke x") == []
    assert ask(place, "lambent invoke --qualifier ") == []
    assert place.run("up", "-d").returncode == 0
    assert place.run("init", "served").returncode == 0
    assert place.run("deploy", cwd=place.folder / "served").returncode == 0
    assert ask(place, "lambent logs ") == ["plain,planned", "plain,served"]
    assert ask(place, "lambent deploy planned ") == ["plain,served"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(place):
    script = place.run("completion", "bash").stdout
    asked = (
        f'PATH="{LAMBENT.parent}:$PATH"\n{script}\n'
        "COMP_WORDS=(lambent conf) COMP_CWORD=1\n_lambent_completion lambent\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-i"], input=asked, env=place.env, cwd=place.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["config"], done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(place, shell):
    script = place.run("completion", shell).stdout
    assert "_LAMBENT_COMPLETE=" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-n"], input=script, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_shell_is_guessed_or_asked_for(place):
    assert json.loads(place.run("completion", "--json", SHELL="/bin/zsh").stdout)["shell"] == "zsh"
    done = place.run("completion", SHELL="/bin/tcsh")
    assert done.returncode == 2
    assert "error[SHELL_UNKNOWN] no completion for the shell 'tcsh'" in done.stderr
    assert place.run("completion", "tcsh").returncode == 2
