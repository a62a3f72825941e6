"""The README's quickstart, replayed: each command succeeds and prints what stands under it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BIN = Path(sys.executable).parent


def transcript() -> list[tuple[str, list[str]]]:
    """Commands of the second terminal on, each with the lines shown under it."""
    quickstart = README.read_text().partition("## Quickstart")[2].partition("\n## ")[0]
    after = quickstart.partition("In a second terminal:")[2]
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", after, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif steps:
                steps[-1][1].append(line)
    return steps


@pytest.mark.slow  # a model is trained, and its packages come from the index
@pytest.mark.timeout(300)
def test_the_quickstart(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here, which the README uses")
    home = tmp_path / "home"
    home.mkdir()
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBENT_"))},
        "HOME": str(home),
        "LAMBENT_DATA_DIR": str(tmp_path / "data"),
        "LAMBENT_PORT": "0",
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "lambent.server"], stdout=subprocess.PIPE, text=True, env=environ
    )
    try:
        url = json.loads(server.stdout.readline())["url"]
        script = ["set -e", f"cd {home}", f"export LAMBENT_ENDPOINT_URL={url}"]
        steps = [step for step in transcript() if not step[0].startswith(". .venv")]
        for number, (command, _) in enumerate(steps):
            script += [f"echo '<<{number}>>'", command.replace("http://127.0.0.1:9000", url)]
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for number, (command, shown) in enumerate(steps):
            printed = done.stdout.partition(f"<<{number}>>")[2].partition("<<")[0]
            for line in shown:
                pattern = re.escape(line).replace("…", ".+")
                assert re.search(pattern, printed), f"{command} printed {printed!r}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        server.stdout.close()
