"""`make demo`: from nothing to a served model, and out again, in under three minutes.

Starts a server of its own in a temporary folder, trains and deploys the churn model, calls it with
boto3, the AWS CLI and curl, puts it beside itself as a compiled graph, retrains it and gives a tenth of an alias's calls to the second version,
then sends every held-out row of real data through the diagnosis model. It ends by itself, cleans up
after itself, and exits 0 only if every step held.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from lambent.cli import report
from lambent.cli.init import newest_runtime
from lambent.cost import billing, prices
from lambent.delivery import training

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
LIMIT_S = 600  # a demo that hangs is a failure, not something to watch
CANARY_CALLS = 200
# 200 calls at 10 % give 20 on average; outside of this range once in ten million demos.
CANARY_RANGE = range(2, 46)


class StepFailed(Exception):  # noqa: N818  it reads as what it is
    """A step that did not hold."""


def check(held: object, what: str) -> None:
    if not held:
        raise StepFailed(what)


class Demo:
    """The steps, in order, on one server in one temporary folder."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.runtime = runtime
        self.url = ""
        self.spent_pico = 0
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBENT_"))}
        self.env |= {
            "LAMBENT_DATA_DIR": str(folder / "data"),
            "LAMBENT_PORT": str(free_port()),
            # Room for scikit-learn with its bytecode, for which AWS wants S3.
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self) -> None:
        self.start()
        self.train_and_deploy("churn", "7")
        self.invoke_three_ways()
        self.compile()
        self.canary()
        self.diagnose()
        self.stop()

    def say(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def step(self, text: str) -> None:
        print(f"\n{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def lambent(self, *words: str, cwd: Path | None = None) -> dict:
        """Run the command line; its JSON answer."""
        done = subprocess.run(
            [str(BIN / "lambent"), "--json", *words],
            cwd=cwd or self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        check(done.returncode == 0, f"lambent {' '.join(words)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def start(self) -> None:
        self.step("lambent up -d")
        answer = self.lambent("up", "-d")
        self.url = answer["url"]
        self.env["LAMBENT_ENDPOINT_URL"] = self.url
        server = answer["server"]
        facts = [f"{k} {server[k]}" for k in ("sandbox", "limits", "network") if server.get(k)]
        self.say("  ".join([self.url, f"functions on {self.runtime}", *facts]))
        for missing in server.get("missing") or ():
            self.say(f"missing: {missing}")
        self.client = boto3.client(
            "lambda",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )

    def train_and_deploy(self, name: str, seed: str, *flags: str) -> dict:
        """Train with the function's own Python and packages, then deploy; what is live."""
        folder = self.folder / name
        if not folder.exists():
            shutil.copytree(HERE / name, folder)
        self.step(f"train {name} (seed {seed})")
        self.say(
            training.run(folder, "train.py", self.runtime, ["--seed", seed, "--out", "."]).strip()
        )
        self.step(f"lambent deploy {' '.join(flags)}".rstrip())
        (live,) = self.lambent("deploy", "--runtime", self.runtime, *flags, cwd=folder)["functions"]
        package = live["package"]
        self.say(f"package  zip {package['zipped'] / 1e6:.1f} MB, {package['files']} files")
        weights = ", ".join(f"{v}: {w:.0%}" for v, w in live["weights"].items())
        self.say(f"live     {name}:{live['version']} (alias {live['alias']}, {weights})")
        for note in live["notes"]:
            self.say(f"note     {note}")
        return live

    def call(self, name: str, event: dict, qualifier: str = "production") -> tuple[dict, str, str]:
        """One call through boto3: the answer, the version that gave it, its REPORT line."""
        answer = self.client.invoke(
            FunctionName=name, Qualifier=qualifier, LogType="Tail", Payload=json.dumps(event)
        )
        body = json.loads(answer["Payload"].read())
        check("FunctionError" not in answer, f"{name} failed: {body}")
        tail = base64.b64decode(answer["LogResult"]).decode()
        return body, answer["ExecutedVersion"], last_report(tail)

    def price(self, line: str) -> str:
        """What the call of a REPORT line costs at AWS's prices; added to what the demo spent."""
        found = report.parse(line)
        check(found is not None, f"not a REPORT line: {line!r}")
        pico = billing.invoke_cost(prices.default(), int(found.billed_ms), found.memory_mb)
        self.spent_pico += pico
        return billing.dollars(pico)

    def invoke_three_ways(self) -> None:
        self.step("invoke churn with boto3, the AWS CLI and curl")
        event = self.folder / "churn" / "event.json"
        first, version, line = self.call("churn", json.loads(event.read_text()))
        check(version == "1", f"version {version} answered, not 1")
        check(first["prediction"] in {0, 1} and 0 <= first["probability"] <= 1, f"answer {first}")
        self.say(f"boto3    {json.dumps(first)}")
        self.say(f"         {line}")
        self.say(f"         {self.price(line)} at AWS's prices, cold start included")

        answer = self.folder / "answer.json"
        command = [str(BIN / "aws"), "lambda", "invoke", "--function-name", "churn"]
        command += ["--payload", f"fileb://{event}", "--endpoint-url", self.url, str(answer)]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"the AWS CLI failed: {done.stderr}")
        by_cli = json.loads(answer.read_text())
        self.say(f"aws cli  {json.dumps(by_cli)}")

        by_curl = json.loads(post(f"{self.url}/2015-03-31/functions/churn/invocations", event))
        self.say(f"curl     {json.dumps(by_curl)}")
        check(first == by_cli == by_curl, "the three answers differ")

        wrong, _, _ = self.call("churn", {"tenure_months": "three"})
        check(wrong["statusCode"] == 400 and "monthly_charges" in wrong["body"], f"answer {wrong}")
        self.say(f"wrong    {json.dumps(wrong)}")

    def compile(self) -> None:
        """The model as a graph, in a function without a handler, beside the native one."""
        self.step("lambent model compile, and deploy --model")
        folder, rows = self.folder / "churn", self.folder / "rows.csv"
        scratch = self.folder / "again"
        training.run(
            folder, "train.py", self.runtime, ["--out", str(scratch), "--sample", str(rows)]
        )
        out = str(self.folder / "churn-compiled")
        words = ["model.joblib", "--sample", str(rows), "--id", "churn-compiled", "--out", out]
        made = self.lambent("model", "compile", *words, "--no-measure", cwd=folder)
        check(made["form"] == "onnx", f"not converted: {made['reason']}")
        gate = made["gate"]
        tried = sum(one["rows"] for one in gate["groups"])
        self.say(f"gate     {tried} rows, largest difference {gate['largest_difference']:.1e}")
        (live,) = self.lambent("deploy", "--runtime", self.runtime, "--model", out)["functions"]
        self.say(f"package  zip {live['package']['zipped'] / 1e6:.1f} MB; {live['url']}")
        event = json.loads((folder / "event.json").read_text())
        native, _, line = self.call("churn", event)
        self.say(f"native   {json.dumps(native)}  {took(line)}")
        compiled, _, line = self.call("churn-compiled", {"features": event})
        self.say(f"compiled {json.dumps(compiled)}  {took(line)}")
        check(
            abs(native["probability"] - compiled["probabilities"]["1"]) < 1e-3,
            "the compiled model answers otherwise",
        )

    def canary(self) -> None:
        old = model_version(self.folder / "churn")
        live = self.train_and_deploy("churn", "8", "--canary", "10")
        new = model_version(self.folder / "churn")
        check(live["version"] == "2" and old != new, f"retraining did not make version 2: {live}")
        check(live["weights"] == {"1": 0.9, "2": 0.1}, f"weights {live['weights']}")

        self.step(f"{CANARY_CALLS} calls through the alias: which versions answer?")
        event = json.loads((self.folder / "churn" / "event.json").read_text())
        # The first calls of a version start its environment; two callers, two environments.
        with ThreadPoolExecutor(2) as pool:
            calls = list(pool.map(lambda _: self.call("churn", event), range(CANARY_CALLS)))
        counts = Counter(version for _, version, _ in calls)
        for answer, version, _ in calls:
            expected = {"1": old, "2": new}[version]
            check(answer["model_version"] == expected, f"version {version} has the wrong model")
        reports = {version: line for _, version, line in calls}
        spent = self.spent_pico
        for _, _, line in calls:
            self.price(line)
        for version in sorted(counts):
            self.say(f"churn:{version}  {counts[version]} calls    {reports[version]}")
        self.say(
            f"{CANARY_CALLS} calls cost {billing.dollars(self.spent_pico - spent)} at AWS's prices"
        )
        check(counts["2"] in CANARY_RANGE, f"10 % of {CANARY_CALLS} calls were {counts['2']}")
        check(counts["1"] + counts["2"] == CANARY_CALLS, f"versions {dict(counts)}")

    def diagnose(self) -> None:
        self.train_and_deploy("diagnosis", "7")
        held_out = json.loads((self.folder / "diagnosis" / "held_out.json").read_text())
        rows, labels = held_out["rows"], held_out["labels"]
        self.step(f"every one of the {len(rows)} held-out rows through the deployed function")
        spent = self.spent_pico
        _, _, line = self.call("diagnosis", {"_warmup": True})
        self.price(line)
        took_ms, predictions = [], []
        for row in rows:
            begun = time.perf_counter()
            answer, _, line = self.call("diagnosis", row)
            took_ms.append((time.perf_counter() - begun) * 1000)
            predictions.append(answer["prediction"])
            self.price(line)
        check(
            predictions == held_out["predictions"], "the function predicts otherwise than training"
        )
        right = sum(p == y for p, y in zip(predictions, labels, strict=True))
        local = json.loads((self.folder / "diagnosis" / "model.json").read_text())["metrics"]
        accuracy = round(right / len(rows), 4)
        check(accuracy == local["accuracy"], f"accuracy {accuracy}, locally {local['accuracy']}")
        took_ms.sort()
        p50, p99 = took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.99)]
        self.say(f"accuracy {accuracy} ({right} of {len(rows)}), as in training")
        self.say(f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, measured by boto3")
        cost = billing.dollars(self.spent_pico - spent)
        self.say(f"the batch cost {cost} at AWS's prices, its cold start included")
        batch, _, _ = self.call("diagnosis", {"rows": rows})
        check(batch["predictions"] == predictions, "a batch predicts otherwise than single rows")
        self.say(f"all {len(rows)} rows in one event: the same predictions")

    def stop(self) -> None:
        self.step("lambent down")
        check(self.lambent("down")["stopped"], "the server did not stop")
        took = time.monotonic() - self.began
        self.say(
            f"everything held; {took:.0f} s, {billing.dollars(self.spent_pico)} at AWS's prices"
        )

    def clean_up(self) -> None:
        """Whatever happened: no server is left, and no folder."""
        subprocess.run(
            [str(BIN / "lambent"), "down", "--kill"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    def server_log(self) -> str:
        log = self.folder / "data" / "server.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_report(tail: str) -> str:
    lines = [line for line in tail.splitlines() if line.startswith("REPORT")]
    check(bool(lines), f"no REPORT line in {tail!r}")
    return lines[-1].rstrip()


def took(line: str) -> str:
    """What a REPORT line says of time, in short."""
    found = report.parse(line)
    check(found is not None, f"not a REPORT line: {line!r}")
    return found.line().partition("  Billed")[0]


def model_version(folder: Path) -> str:
    return json.loads((folder / "model.json").read_text())["model_version"]


def post(url: str, event: Path) -> str:
    """Plain HTTP without a signature: curl, or Python's own client where curl is missing."""
    if curl := shutil.which("curl"):
        command = [curl, "-sS", "--noproxy", "*", "-XPOST", url, "--data-binary", f"@{event}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"curl failed: {done.stderr}")
        return done.stdout
    request = urllib.request.Request(url, data=event.read_bytes(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def interrupt(number: int, _frame: object) -> None:
    if number == signal.SIGALRM:
        raise StepFailed(f"not finished after {LIMIT_S} s")
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description="Train, deploy, invoke, canary, price, stop.")
    parser.add_argument("--runtime", help="such as python3.12 (the newest on this machine)")
    runtime = parser.parse_args().runtime or newest_runtime()
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, interrupt)
    signal.alarm(LIMIT_S)
    demo = Demo(Path(tempfile.mkdtemp(prefix="lambent-demo-")), runtime)
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
