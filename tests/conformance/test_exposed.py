"""A server that others can reach: signatures are verified, TLS is spoken, and nothing is open."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

KEYS = {"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def test_signatures_are_verified(start_server):
    server = start_server(auth="sigv4", auth_keys=json.dumps(KEYS))
    ((key, secret),) = KEYS.items()
    good = server.boto3(key=key, secret=secret)
    server.client.close()
    server.client = good
    server.function("echo")
    assert server.invoke("echo", {"a": 1}) == {"a": 1}
    for wrong, code in (
        (server.boto3(key=key, secret="wrong"), "InvalidSignatureException"),
        (server.boto3(key="AKIAUNKNOWN", secret=secret), "UnrecognizedClientException"),
    ):
        for call in (wrong.list_functions, lambda w=wrong: w.invoke(FunctionName="echo")):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["Error"]["Code"] == code
        wrong.close()
    url = f"{server.url}/2015-03-31/functions/echo/invocations"
    with pytest.raises(urllib.error.HTTPError) as unsigned:
        urllib.request.urlopen(urllib.request.Request(url, b"{}"))
    with unsigned.value:
        assert unsigned.value.code == 403
        assert b"Missing Authentication Token" in unsigned.value.read()


def test_it_does_not_bind_beyond_loopback_without_signatures(start_server):
    with pytest.raises(RuntimeError, match="would let anyone on the network run code"):
        start_server(host="0.0.0.0")


def test_tls(start_server, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    server = start_server(tls_cert=cert, tls_key=key)
    assert server.url.startswith("https://127.0.0.1:")
    client = boto3.client(
        "lambda",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        verify=str(cert),
        config=Config(retries={"max_attempts": 0}),
    )
    server.client.close()
    server.client = client
    server.function("echo")
    assert server.invoke("echo", {"tls": True}) == {"tls": True}
    with pytest.raises(urllib.error.URLError) as distrust:
        urllib.request.urlopen(server.url + "/healthz")
    assert isinstance(distrust.value.reason, ssl.SSLCertVerificationError)
