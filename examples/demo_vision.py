"""`make demo-vision`: a picture in, a picture with boxes out, from the inference server as a function.

Trains the small detector, deploys it with the server on a platform of its own in a temporary folder,
and asks it three ways: an HTTP v2 event, a direct invocation, and the public server's own questions
about itself. Every box is compared with what was drawn. Pictures stay in the folder it names.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from demo import HERE, LIMIT_S, Demo, check, interrupt
from PIL import Image

from lambent.cli.init import newest_runtime

SERVER = HERE.parent / "inference" / "src" / "lambent_inference"
sys.path.insert(0, str(HERE / "detector"))
import train  # noqa: E402  the example's own script, which also draws


class VisionDemo(Demo):
    """The steps, in order."""

    def __init__(self, folder: Path, runtime: str, out: Path) -> None:
        super().__init__(folder, runtime)
        self.out = out

    def run(self) -> None:
        self.start()
        self.train_and_package()
        self.deploy()
        self.ask()
        self.stop()

    def train_and_package(self) -> None:
        self.step("train the detector")
        folder = self.folder / "detector"
        shutil.copytree(HERE / "detector", folder)
        command = [sys.executable, "-W", "ignore", "train.py", "models"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stderr)
        self.say(done.stdout.strip())
        # From the source tree, so that the demo shows this checkout; users install the package.
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SERVER, folder / "lambent_inference", ignore=ignore)

    def deploy(self) -> None:
        self.step("lambent deploy")
        folder = self.folder / "detector"
        (live,) = self.lambent("deploy", "--runtime", self.runtime, cwd=folder)["functions"]
        self.say(f"package  zip {live['package']['zipped'] / 1e6:.1f} MB")
        self.say(f"live     detector:{live['version']} (alias {live['alias']})")

    def ask(self) -> None:
        self.step("a picture in, a picture with boxes out")
        random = np.random.default_rng(3)
        for number, direct in enumerate((False, True), 1):
            picture, shapes = train.draw(random, 640)
            body = {
                "model_id": "shapes/1",
                "visualize_predictions": True,
                "visualization_labels": True,
                "image": {"type": "base64", "value": encoded(picture)},
            }
            event = (direct_event if direct else http_event)("/infer/object_detection", body)
            answer = self.answered(event)
            names = [box["class"] for box in answer["predictions"]]
            drawn = [train.CLASSES[kind] for kind, *_ in shapes]
            check(sorted(names) == sorted(drawn), f"found {names}, drawn were {drawn}")
            for kind, x, y, *_ in shapes:
                near = any(
                    box["class"] == train.CLASSES[kind]
                    and abs(box["x"] - x) < 16
                    and abs(box["y"] - y) < 16
                    for box in answer["predictions"]
                )
                check(near, f"no {train.CLASSES[kind]} near {x:.0f}, {y:.0f}")
            picture.save(self.out / f"{number}-in.png")
            shown = base64.b64decode(answer["visualization"])
            (self.out / f"{number}-out.jpg").write_bytes(shown)
            way = "direct invocation" if direct else "HTTP v2 event"
            self.say(f"{way}: {', '.join(names)}  →  {self.out / f'{number}-out.jpg'}")
        self.step("GET /model/registry")
        event = http_event("/model/registry", None)
        for model in self.answered(event)["models"]:
            self.say(f"{model['model_id']}  {model['task_type']}")

    def answered(self, event: dict) -> dict:
        answer, _, report = self.call("detector", event)
        check(answer["statusCode"] == 200, f"{answer}")
        self.say(report)
        text = answer["body"]
        if answer.get("isBase64Encoded"):
            text = base64.b64decode(text).decode()
        return json.loads(text)


def encoded(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def http_event(path: str, body: dict | None) -> dict:
    """As API Gateway (HTTP API) and function URLs send it."""
    method = "GET" if body is None else "POST"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "localhost"},
        "requestContext": {
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
            },
            "stage": "$default",
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def direct_event(path: str, body: dict) -> dict:
    return {"httpMethod": "POST", "path": path, "body": json.dumps(body)}


def main() -> int:
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(LIMIT_S)
    out = Path(tempfile.mkdtemp(prefix="lambent-vision-"))
    demo = VisionDemo(Path(tempfile.mkdtemp(prefix="lambent-demo-")), newest_runtime(), out)
    try:
        demo.run()
    except KeyboardInterrupt:
        print("\ninterrupted; cleaning up", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001  whatever went wrong, say it with the server's log
        print(f"\nthe demo failed: {type(error).__name__}: {error}", file=sys.stderr)
        if log := demo.server_log():
            print(f"the server's last lines:\n{log}", file=sys.stderr)
        return 1
    finally:
        signal.alarm(0)
        demo.clean_up()
    return 0


if __name__ == "__main__":
    sys.exit(main())
