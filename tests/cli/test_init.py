import json
from pathlib import Path

import pytest

from lambent.cli.init import TEMPLATES, newest_runtime, render
from lambent.delivery import template
from lambent.runtimes import catalog

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_project(tmp_path: Path, name: str) -> None:
    for path, text in render(name, "mine", "python3.12").items():
        assert "@@" not in text
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_text(text)
    project = template.read(tmp_path / "template.yaml")
    (plan,) = project.functions
    assert (plan.name, plan.runtime, plan.alias) == ("mine", "python3.12", "production")
    assert project.not_deployed == ()
    json.loads((tmp_path / "event.json").read_text())


def test_the_sklearn_template_is_the_churn_example() -> None:
    files = render("sklearn", "churn", "python3.13")
    for path, text in files.items():
        assert (EXAMPLES / "churn" / path).read_text() == text, path


def test_the_vision_template_trains_the_detector_of_the_examples() -> None:
    ours = render("vision", "detector", "python3.13")["train.py"]
    assert (EXAMPLES / "detector" / "train.py").read_text() == ours


def test_the_plain_handler_works() -> None:
    scope: dict[str, object] = {}
    exec(render("plain", "x", "python3.13")["handler.py"], scope)

    class Context:
        function_version = "7"

    assert scope["handler"]({"name": "Ada"}, Context()) == {
        "message": "Hello, Ada!",
        "version": "7",
    }  # type: ignore[operator]


def test_the_newest_runtime_is_known() -> None:
    assert newest_runtime() in {row.identifier for row in catalog.TABLE if row.family == "python"}
    of_node = newest_runtime("node")
    assert of_node in {row.identifier for row in catalog.TABLE if row.family == "nodejs"}


def test_files_are_not_written_over_unasked(place) -> None:
    assert place.run("init", "one").returncode == 0
    (place.folder / "one" / "handler.py").write_text("mine\n")
    done = place.run("init", "one")
    assert done.returncode == 3
    assert "error[FILES_EXIST]" in done.stderr
    assert (place.folder / "one" / "handler.py").read_text() == "mine\n"
    assert place.run("init", "one", "-y").returncode == 0
    assert (place.folder / "one" / "handler.py").read_text() != "mine\n"


def test_into_this_folder(place) -> None:
    folder = place.folder / "here"
    folder.mkdir()
    facts = json.loads(place.run("init", "--template", "sklearn", cwd=folder).stdout)
    assert facts["function"] == "here"
    assert (folder / "train.py").is_file()
