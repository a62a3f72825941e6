"""What a browser makes of a function URL's CORS: headless Chromium, and a page of another origin."""

import contextlib
import fcntl
import http.server
import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

PAGE = """<!doctype html><title>page</title><script>
const asks = ASKS;
(async () => {
  const found = [];
  for (const [url, options] of asks) {
    try {
      const answer = await fetch(url, options);
      found.push({status: answer.status, body: await answer.text(),
                  shown: answer.headers.get("x-shown"), hidden: answer.headers.get("x-hidden")});
    } catch (error) { found.push({refused: error.name}); }
  }
  await fetch("/result", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""

CODE = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"X-Shown": "1", "X-Hidden": "2"},
            "body": event["requestContext"]["http"]["method"] + event["headers"].get("cookie", "")}
"""


@pytest.fixture(scope="session")
def chromium():
    """The program; Debian's package when it is missing and may be installed."""
    with (Path(tempfile.gettempdir()) / "lambent-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers may want it
        found = shutil.which("chromium")
        if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
            for words in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    subprocess.run(
                        ["apt-get", "-q", *words],
                        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                        capture_output=True,
                        timeout=240,
                        check=False,
                    )
            found = shutil.which("chromium")
    return found or pytest.skip("no chromium, and apt-get cannot install it here")


class Pages(http.server.ThreadingHTTPServer):
    """Serves the page, and takes what it found."""

    daemon_threads = True
    page = b""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.results = queue.Queue()
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(self.server.page if self.path == "/" else b"")

    def do_POST(self):
        self.server.results.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.answer(b"")

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def pages():
    with Pages() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(30)


def visit(chromium, pages, asks, profile):
    """What the page's requests came to, in a browser of its own."""
    pages.page = PAGE.replace("ASKS", json.dumps(asks)).encode()
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    words += ["--no-first-run", "--disable-background-networking", "--no-proxy-server"]
    words += [f"--user-data-dir={profile}", "--remote-debugging-port=0", pages.origin]
    with (profile / "log").open("w") as log:
        browser = subprocess.Popen([chromium, *words], stdout=log, stderr=log)
        try:
            return pages.results.get(timeout=90)
        except queue.Empty:
            raise AssertionError((profile / "log").read_text()[-2000:]) from None
        finally:
            browser.terminate()
            browser.wait(30)


@pytest.mark.slow
def test_cors_of_a_function_url(server, name, chromium, pages, tmp_path):
    """Slow: a browser starts. A page may do what the configuration says, and nothing else."""
    server.function(name, CODE)
    for sid, action, more in (
        ("url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("run", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        server.client.add_permission(
            FunctionName=name, StatementId=sid, Action=action, Principal="*", **more
        )
    cors = {
        "AllowOrigins": [pages.origin],
        "AllowMethods": ["PUT", "GET"],
        "AllowHeaders": ["content-type", "x-one"],
        "ExposeHeaders": ["x-shown"],
        "AllowCredentials": True,
    }
    client = server.client
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE", Cors=cors)
    path = re.search(r"[a-z0-9]{32}", made["FunctionUrl"])
    # By path where the address is a name or a path; a port of its own has no id in it.
    url = made["FunctionUrl"] if path is None else f"{server.url}/_url/{path[0]}/"
    put = {"method": "PUT", "body": "{}", "headers": {"Content-Type": "application/json"}}
    asks = [
        (url, {}),
        (url, put),
        (url, {**put, "credentials": "include", "headers": {"X-One": "1"}}),
        (url, {**put, "headers": {"X-Other": "1"}}),
        (url, {"method": "DELETE"}),
    ]
    plain, written, included, header, method = visit(chromium, pages, asks, tmp_path)
    assert plain == {"status": 200, "body": "GET", "shown": "1", "hidden": None}
    assert (written["status"], written["body"]) == (200, "PUT")
    assert included["status"] == 200
    assert header == {"refused": "TypeError"}
    assert method == {"refused": "TypeError"}

    client.update_function_url_config(
        FunctionName=name, Cors={**cors, "AllowOrigins": ["https://other.example"]}
    )
    other = tmp_path / "other"
    other.mkdir()
    assert visit(chromium, pages, asks[:2], other) == [{"refused": "TypeError"}] * 2
