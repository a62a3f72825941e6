"""Traces of a live server's functions, at a collector that reads OTLP."""

from __future__ import annotations

import gzip
import http.server
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@pytest.fixture
def collector():
    """Its address, and every span that it was sent, by name, with its resource."""
    found = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            for part in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in part.scope_spans[0].spans:
                    found[span.name, span.parent_span_id.hex()] = part.resource, span
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", found
    server.shutdown()
    server.server_close()


@pytest.mark.slow  # a server of its own
def test_a_traced_invoke_is_one_tree_at_the_collector(start_server, collector, until):
    url, found = collector
    server = start_server(otlp_endpoint=url)
    server.function("traced", TracingConfig={"Mode": "Active"})
    server.function("silent")
    server.invoke("silent")
    server.invoke("traced")
    assert server.stop() == 0  # what is left is sent at the end
    until(lambda: len(found) >= 5)
    (service,) = [span for (_, parent), (_, span) in found.items() if not parent]
    (function,) = [span for (_, p), (_, span) in found.items() if p == service.span_id.hex()]
    parts = {name for (name, parent), _ in found.items() if parent == function.span_id.hex()}
    assert parts == {"Initialization", "Invocation", "Overhead"}
    assert {span.trace_id for _, span in found.values()} == {service.trace_id}
    names = {
        a.value.string_value
        for r, _ in found.values()
        for a in r.attributes
        if a.key == "service.name"
    }
    assert names == {"traced"}
