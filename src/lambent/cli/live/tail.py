"""A function's log as it grows: a thread that reads the server's NDJSON and hands lines over."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from lambent.delivery.aws import Aws

RETRY_S: Final = 1.0


class Tail(threading.Thread):
    """Runs from `start` to `stop`; comes back when the server was away."""

    def __init__(
        self, aws: Aws, function: str, since_ms: int, hand_over: Callable[[dict[str, Any]], None]
    ) -> None:
        super().__init__(name=f"tail-{function}", daemon=True)
        self._aws = aws
        self._path = f"/_lambent/logs/{quote(function, safe='')}"
        self._since_ms = since_ms
        self._hand_over = hand_over
        self._ended = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self._ended.is_set():
            with suppress(OSError, http.client.HTTPException, ValueError):
                self._follow()
            self._ended.wait(RETRY_S)

    def stop(self) -> None:
        self._ended.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader
        self.join(5)

    def _follow(self) -> None:
        url = f"{self._aws.endpoint_url}{self._path}?follow=1&since={self._since_ms}"
        request = AWSRequest("GET", url)
        if credentials := self._aws.session.get_credentials():
            SigV4Auth(credentials, "lambda", self._aws.region_name).add_auth(request)
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = self._connection = kind(parts.netloc)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(request.headers))
            answer = connection.getresponse()
            if answer.status != 200:
                return
            for line in answer:
                if self._ended.is_set():
                    return
                if line.strip():
                    event = json.loads(line)
                    self._since_ms = max(self._since_ms, int(event["time"]) + 1)
                    self._hand_over(event)
        finally:
            connection.close()
