"""The attack table: what a request must not reach, by URL, redirect, file, array and model id."""

import io
import os
import pickle
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lambent_inference.errors import InvalidImage, InvalidModelId
from lambent_inference.security import Fetcher, checked_model_id, public, read_array, read_file
from lambent_inference.settings import load

OPEN = {"ALLOW_NON_HTTPS_URL_INPUT": "True", "ALLOW_URL_INPUT_WITHOUT_FQDN": "True"}
LOCAL = {**OPEN, "ALLOW_URL_TO_NON_GLOBAL_ADDRESSES": "True"}


def nobody(host, port):
    raise AssertionError(f"{host} was looked up")


def answers(*addresses):
    return lambda host, port: list(addresses)


# ── URLs ─────────────────────────────────────────────────────────────────────────────────────────

NO_HTTPS = "Providing images via non https:// URL is not supported in this configuration of `inf"
NO_FQDN = "Providing images via URL without FQDN is not supported in this configuration of `inf"
INVALID = "Provided image URL is invalid"
NOT_PUBLIC = "its address is not public"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://pictures.example.com/a.jpg", NO_HTTPS),
        ("https://127.0.0.1/a.jpg", NO_FQDN),
        ("https://127.1/a.jpg", NO_FQDN),
        ("https://2130706433/a.jpg", NO_FQDN),
        ("https://0x7f.0.0.1/a.jpg", NO_FQDN),
        ("https://0177.0.0.1/a.jpg", NO_FQDN),
        ("https://[::1]/a.jpg", NO_FQDN),
        ("https://[::ffff:169.254.169.254]/latest/meta-data", NO_FQDN),
        ("https://[::ffff:7f00:1]/a.jpg", NO_FQDN),
        ("https://0.0.0.0/a.jpg", NO_FQDN),
        ("https://0/a.jpg", NO_FQDN),
        ("https://127.0.0.1./a.jpg", NO_FQDN),
        ("https://127.0.0.1#.example.com/a.jpg", NO_FQDN),
        ("https://127.0.0.1?.example.com/a.jpg", NO_FQDN),
        ("https://127.0.0.1%23.example.com/a.jpg", NO_FQDN),
        ("https://127.0.0.1;.example.com/a.jpg", NO_FQDN),
        ("https://①②⑦.⓪.⓪.①/a.jpg", NO_FQDN),
        ("https://169。254。169。254/a.jpg", NO_FQDN),
        ("https://localhost/a.jpg", NO_FQDN),
        ("https://localhost./a.jpg", NO_FQDN),
        ("https://redis/a.jpg", NO_FQDN),
        ("https://metadata.google.internal/", NO_FQDN),
        ("https://printer.local/a.jpg", NO_FQDN),
        ("https://example.123/a.jpg", NO_FQDN),
        ("file:///etc/passwd", INVALID),
        ("ftp://example.com/a.jpg", INVALID),
        ("gopher://example.com/a.jpg", INVALID),
        ("data:image/png;base64,AAAA", INVALID),
        ("https:example.com/a.jpg", INVALID),
        ("https:///example.com/a.jpg", INVALID),
        ("https://example.com:80:80/a.jpg", INVALID),
        ("//example.com/a.jpg", INVALID),
        ("https://", INVALID),
        ("https://user:pass@example.com/a.jpg", INVALID),
        ("https://example.com@127.0.0.1/a.jpg", INVALID),
        ("https://example.com\\@127.0.0.1/a.jpg", INVALID),
        ("https://example.com/a\r\nHost: evil", INVALID),
        ("https://example.com:99999/a.jpg", INVALID),
        ("https://[::1/a.jpg", INVALID),
    ],
)
def test_urls_that_are_refused_before_any_look_up(url, message):
    with pytest.raises(InvalidImage, match=message.replace("(", r"\(")):
        Fetcher(load({}), nobody).fetch(url)


PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "192.0.0.1", "198.18.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "2001:0:7f00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_names_that_resolve_to_private_addresses(address):
    with pytest.raises(InvalidImage, match=NOT_PUBLIC):
        Fetcher(load({}), answers(address)).fetch("https://pictures.example.com/a.jpg")
    with pytest.raises(InvalidImage, match=NOT_PUBLIC):  # the public one beside it does not help
        Fetcher(load({}), answers("8.8.8.8", address)).fetch("https://pictures.example.com/a.jpg")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f000001", "[::1]", "[::ffff:10.0.0.1]", "[fe80::1%25lo]"]
)
def test_addresses_in_urls_are_judged_like_those_of_names(host):
    with pytest.raises(InvalidImage, match=NOT_PUBLIC):
        Fetcher(load(OPEN), nobody).fetch(f"http://{host}/a.jpg")


def test_public_addresses_are_public():
    import ipaddress

    for address in ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1"):
        assert public(ipaddress.ip_address(address)), address


def test_destinations():
    listed = {"WHITELISTED_DESTINATIONS_FOR_URL_INPUT": "example.com, cdn.test.org"}
    fetcher = Fetcher(load(listed), nobody)
    for url in ("https://example.com/a", "https://a.b.example.com/", "https://cdn.test.org/"):
        fetcher.check(url)
    for url in ("https://test.org/", "https://badexample.com/", "https://example.com.evil.org/"):
        with pytest.raises(InvalidImage, match="prohibited by whitelisted destinations"):
            fetcher.check(url)
    refused = Fetcher(load({"BLACKLISTED_DESTINATIONS_FOR_URL_INPUT": "evil.org"}), nobody)
    with pytest.raises(InvalidImage, match="prohibited by blacklisted destinations"):
        refused.check("https://www.EVIL.org/")
    refused.check("https://notevil.org/")
    with pytest.raises(InvalidImage, match="Providing images via URL is not supported"):
        Fetcher(load({"ALLOW_URL_INPUT": "False"}), nobody).fetch("https://example.com/")


@contextmanager
def server(answer, tls=None):
    """`answer(handler)` answers every request; yields the port and the requests' lines."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            seen.append((self.headers["Host"], self.path))
            self.close_connection = True
            answer(self)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass  # a client that hangs up is what some tests are about

    httpd = Server(("127.0.0.1", 0), Handler)
    if tls:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield httpd.server_address[1], seen
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def reply(body=b"picture", status=200, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value is not None:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_the_checked_address_is_the_one_connected_to():
    """The name is looked up once; what it would say the second time does not matter."""
    looked_up = []

    def rebinding(host, port):
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["203.0.113.1"]

    with server(reply()) as (port, seen):
        url = f"http://pictures.example.com:{port}/a.jpg?x=1"
        assert Fetcher(load(LOCAL), rebinding).fetch(url) == b"picture"
    assert looked_up == ["pictures.example.com"]
    assert seen == [(f"pictures.example.com:{port}", "/a.jpg?x=1")]


def test_https_is_verified_against_the_name(tmp_path, monkeypatch):
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=pictures.example.com",
            "-addext",
            "subjectAltName=DNS:pictures.example.com",
            "-keyout",
            tmp_path / "key.pem",
            "-out",
            tmp_path / "cert.pem",
        ],
        check=True,
        capture_output=True,
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    settings = load({"ALLOW_URL_TO_NON_GLOBAL_ADDRESSES": "True"})
    with server(reply(), tls) as (port, _):
        fetcher = Fetcher(settings, answers("127.0.0.1"))
        with pytest.raises(InvalidImage, match="SSLCertVerificationError"):
            fetcher.fetch(f"https://pictures.example.com:{port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert fetcher.fetch(f"https://pictures.example.com:{port}/") == b"picture"
        with pytest.raises(InvalidImage, match="SSLCertVerificationError"):
            fetcher.fetch(f"https://other.example.com:{port}/")


def test_redirects_are_followed_within_reason():
    def answer(handler):
        last = handler.path == "/2"
        reply(status=200 if last else 302, Location=None if last else "/2")(handler)

    with server(answer) as (port, seen):
        assert Fetcher(load(LOCAL)).fetch(f"http://127.0.0.1:{port}/1") == b"picture"
    assert [path for _, path in seen] == ["/1", "/2"]
    with server(reply(status=302, Location="/again")) as (port, seen):
        with pytest.raises(InvalidImage, match="Too many redirects"):
            Fetcher(load({**LOCAL, "MAX_IMAGE_URL_REDIRECTS": "3"})).fetch(
                f"http://127.0.0.1:{port}/"
            )
        assert len(seen) == 4


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://internal.example.com/latest/meta-data/", NOT_PUBLIC),
        ("http://[::ffff:169.254.169.254]/", NOT_PUBLIC),
        ("http://0x7f.1/", NOT_PUBLIC),
        ("file:///etc/passwd", INVALID),
        ("ftp://pictures.example.com/", INVALID),
        ("//user@pictures.example.com/", INVALID),
        ("http://pictures.example.com@169.254.169.254/", INVALID),
        ("http://2852039166/latest/meta-data/", NOT_PUBLIC),
        ("http://0.0.0.0/", NOT_PUBLIC),
        ("\thttp://internal.example.com/", NOT_PUBLIC),
    ],
)
def test_every_redirect_is_checked_like_the_first_url(location, message, monkeypatch):
    """The first address counts as public here, so that something can redirect at all."""
    from lambent_inference import security

    monkeypatch.setattr(security, "public", lambda a, real=public: str(a) == "127.0.0.1" or real(a))
    names = {"pictures.example.com": "127.0.0.1", "internal.example.com": "10.0.0.7"}
    if "0x7f.1" in location:
        location = location.replace("0x7f.1", "0xa.1")
    with server(reply(status=307, Location=location)) as (port, seen):
        fetcher = Fetcher(load(OPEN), lambda host, port: [names[host]])
        with pytest.raises(InvalidImage, match=message):
            fetcher.fetch(f"http://pictures.example.com:{port}/")
        assert len(seen) == 1


def test_a_fragment_is_nobodys_host_and_is_not_sent():
    with server(reply()) as (port, seen):
        fetcher = Fetcher(load(LOCAL), answers("127.0.0.1"))
        fetcher.fetch(f"http://pictures.example.com:{port}/a.jpg#@127.0.0.1:9/b")
    assert seen == [(f"pictures.example.com:{port}", "/a.jpg")]


def test_a_redirect_may_not_leave_https():
    fetcher = Fetcher(load({}), nobody)
    with pytest.raises(InvalidImage, match="non https"):
        fetcher.check("http://pictures.example.com/")


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


def trickle(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while True:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def trickled_head(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def many_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: yes\r\n" * 100_000 + b"\r\n")


def long_header(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (8 << 20) + b"\r\n\r\n")


def huge_chunk(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\n")
    while True:
        handler.wfile.write(b"x" * 65536)


def cut(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"half")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (endless, "larger than 1 MB"),
        (reply(Content_Length=str(3 << 30)), "larger than 1 MB"),
        (trickle, "took too long"),
        (trickled_head, "took too long"),
        (cut, "was cut"),
        (reply(status=404), "answered with status 404"),
        (reply(b"\x1f\x8b", Content_Encoding="gzip"), "is compressed"),
        (reply(b"x", Content_Encoding="deflate"), "is compressed"),
        (reply(b"x", Content_Encoding="br"), "is compressed"),
        (many_headers, "cannot be reached"),
        (long_header, "cannot be reached"),
        (huge_chunk, "larger than 1 MB"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "cannot be reached"),
    ],
)
def test_servers_that_misbehave(answer, message):
    settings = load({**LOCAL, "MAX_IMAGE_MB": "1", "IMAGE_TIMEOUT_S": "1.5"})
    with server(answer) as (port, _), pytest.raises(InvalidImage, match=message):
        Fetcher(settings).fetch(f"http://127.0.0.1:{port}/")


def test_a_server_that_is_not_there():
    with server(reply()) as (port, _):
        pass
    with pytest.raises(InvalidImage, match="cannot be reached"):
        Fetcher(load(LOCAL)).fetch(f"http://127.0.0.1:{port}/")


# ── files, arrays, model ids ─────────────────────────────────────────────────────────────────────


def test_files(tmp_path):
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"picture")
    with pytest.raises(InvalidImage, match="Loading images from local filesystem is disabled"):
        read_file(str(picture), load({}))
    settings = load({"ALLOW_LOADING_IMAGES_FROM_LOCAL_FILESYSTEM": "True", "MAX_IMAGE_MB": "1"})
    assert read_file(str(picture), settings) == b"picture"
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(bytes((1 << 20) + 1))
    for path in ("/dev/zero", tmp_path / "fifo", tmp_path, tmp_path / "large", "/none", "a\0b"):
        with pytest.raises(InvalidImage):
            read_file(str(path), settings)


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["EVIL_DIRECTORY"],)


def header(text):
    body = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def test_arrays_are_read_and_never_unpickled(tmp_path, monkeypatch):
    array = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    with pytest.raises(InvalidImage, match="NumPy image type is not supported in this config"):
        read_array(npy(array), load({}))
    settings = load({"ALLOW_NUMPY_INPUT": "True", "MAX_IMAGE_MEGAPIXELS": "1"})
    assert (read_array(npy(array), settings) == array).all()
    monkeypatch.setenv("EVIL_DIRECTORY", str(tmp_path / "made"))
    claimed = "{'descr': '|u1', 'fortran_order': False, 'shape': %s}"
    for attack in (
        pickle.dumps(Evil()),
        pickle.dumps(array),
        npy(np.array([Evil()], dtype=object), allow_pickle=True),
        header(claimed % "(100000, 100000, 3)"),
        header(claimed % "(-2, -2, 3)"),
        header(claimed % "(2, 2, 3)"),
        header(claimed % "(2, 2, 5)"),
        header(claimed % "(9223372036854775807, 9223372036854775807, 3)"),
        header(claimed % "(" + "(" * 400),
        header("__import__('os').mkdir('x')"),
        npy(array.astype(np.float32)),
        npy(np.asfortranarray(np.ones((4, 3), np.uint8))),
        b"",
        b"\x93NUMPY",
    ):
        with pytest.raises(InvalidImage):
            read_array(attack, settings)
    assert not (tmp_path / "made").exists()


def test_model_ids_cannot_climb():
    for good in ("coco/3", "yolov8n-640", "clip/ViT-B-16", "ws/project/3", "a.b_c/1.0"):
        assert checked_model_id(good) == good
    for bad in (
        "", "/", "../etc", "a/../b", "a/..", "./a", "a//b", "/etc/passwd", "a/b/", "a\\b", "a b",
        "a\0b", "..", "a/.hidden", "s3://bucket/key", "a/b/c/d/e", "x" * 300, "é/1", "a/%2e%2e", "a\n",
    ):  # fmt: skip
        with pytest.raises(InvalidModelId):
            checked_model_id(bad)
