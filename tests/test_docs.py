"""The documentation is current, its commands are understood, and its site loads nothing from elsewhere."""

import importlib.util
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

from lambent.cli.root import root
from lambent.settings import Settings, load

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location(
        "generate_docs", ROOT / "scripts/generate_docs.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current(generator):
    stale = [n for n, text in generator.pages().items() if not generator.same(DOCS / n, text)]
    assert not stale, "python scripts/generate_docs.py"


def test_every_setting_is_described(generator):
    assert [name for name, *_ in generator.settings()] == list(Settings.__struct_fields__)


def test_llms_txt_names_every_page():
    text = (DOCS / "llms.txt").read_text()
    pages = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md")}
    pages = {page for page in pages if not page.startswith("decisions/0")}
    assert set(re.findall(r"\]\(([^)]+)\)", text)) == pages
    assert not re.search(r"\): \.?$", text, re.MULTILINE)


def commands():
    """`lambent …` in console blocks of hand-written pages and of the README."""
    for file in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for block in re.findall(r"```console\n(.*?)```", file.read_text(), re.DOTALL):
            for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
                for part in re.split(r"&&|;", line):
                    words = shlex.split(part.strip(), comments=True)
                    if words[:1] == ["lambent"] and file.name != "cli.md":
                        yield pytest.param(words[1:], id=f"{file.name}: {' '.join(words)}")


@pytest.mark.parametrize("words", [*commands()])
def test_commands_are_understood(words):
    """Parsed as the command line parses them; nothing runs."""
    verb, *rest = words
    command = root.get_command(click.Context(root), verb)
    assert command is not None
    with command.make_context(verb, rest, parent=click.Context(root, info_name="lambent")):
        pass


def test_the_configuration_that_is_shown_is_accepted(tmp_path):
    tables = [
        block
        for file in DOCS.glob("*.md")
        for block in re.findall(r"```toml\n(.*?)```", file.read_text(), re.DOTALL)
    ]
    assert len(tables) >= 2
    for number, table in enumerate(tables):
        file = tmp_path / f"{number}.toml"
        file.write_text(table)
        assert isinstance(load(environ={}, user_file=file), Settings)


class Loaded(HTMLParser):
    """What a browser would fetch by itself."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        wanted = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
        self.found += [value for name, value in attrs if name == wanted.get(tag)]


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    html = list(tmp_path.rglob("*.html"))
    assert len(html) > 10
    for file in html:
        parser = Loaded()
        parser.feed(file.read_text())
        elsewhere = [url for url in parser.found if url and re.match(r"(https?:)?//", url)]
        assert not elsewhere, file
    for file in tmp_path.rglob("*.css"):
        assert not re.search(r"(url\(\s*['\"]?|@import\s+['\"])(https?:)?//", file.read_text()), (
            file
        )
    assert (tmp_path / "llms.txt").is_file()
    anchors = set(re.findall(r'id="([^"]+)"', (tmp_path / "errors.html").read_text()))
    assert {"port_in_use", "sandboxtimedout"} <= anchors
