"""Traces at a collector: an HTTP server that reads OTLP with OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import http.server
import json
import sys
import threading
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lambent.errors import ConfigurationError
from lambent.observe import otlp
from lambent.observe.otlp import OtlpExporter

SCOPE = ("123456789012", "us-east-1")
TRACE = "1-5759e988-bd862e3fe1be46a994272793"


class Collector(http.server.ThreadingHTTPServer):
    """Takes what it is sent; `answers` are the statuses of the first requests."""

    daemon_threads = True

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests, self.headers = [], []
        self.came = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler):
                assert handler.path == "/v1/traces"
                body = gzip.decompress(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.headers.append(dict(handler.headers))
                status = self.answers.pop(0) if self.answers else 200
                if status == 200:
                    self.requests.append(ExportTraceServiceRequest.FromString(body))
                    self.came.set()
                handler.send_response(status)
                handler.send_header("Content-Length", "0")
                handler.end_headers()

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self):
        return [
            (resource, span)
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector(request):
    made = Collector(*getattr(request, "param", ()))
    yield made
    made.shutdown()
    made.server_close()


def started(url, **fields):
    made = OtlpExporter(url, {"x-key": "secret"}, gather_s=0.01, first_wait_s=0.01, **fields)
    made.start()
    return made


def segment(nth=0, **fields):
    return {
        "trace_id": TRACE,
        "id": f"{nth + 1:016x}",
        "name": f"n{nth}",
        "start_time": 1_700_000_000.25,
        "end_time": 1_700_000_000.5,
    } | fields


def attributes(holder):
    return {one.key: one.value for one in holder.attributes}


def test_a_segment_and_what_is_in_it_become_spans_of_the_same_ids(collector):
    exporter = started(collector.url)
    inner = segment(
        1, namespace="aws", aws={"operation": "PutItem", "region": "eu-west-1"}, fault=True,
        cause={"exceptions": [{"type": "Boom", "message": "no",
                               "stack": [{"path": "a.py", "line": 3, "label": "f"}]}]},
    )  # fmt: skip
    whole = segment(
        0, parent_id="00000000000000ff", origin="AWS::Lambda", annotations={"shade": "blue", "n": 3},
        metadata={"default": {"a": [1]}}, http={"response": {"status": 200}},
        subsegments=[inner, segment(2, in_progress=True), "junk", {"id": "x"}],
    )  # fmt: skip
    exporter.offer(SCOPE, "f", whole, 100)
    assert collector.came.wait(10)
    exporter.close()
    (resource, outer), (_, nested) = collector.spans()
    of_resource = attributes(resource.resource)
    assert of_resource["service.name"].string_value == "f"
    assert of_resource["cloud.account.id"].string_value == SCOPE[0]
    assert outer.trace_id.hex() == nested.trace_id.hex() == TRACE[2:].replace("-", "")
    assert outer.parent_span_id.hex() == "00000000000000ff"
    assert nested.parent_span_id == outer.span_id
    assert (outer.kind, nested.kind) == (outer.SPAN_KIND_SERVER, outer.SPAN_KIND_CLIENT)
    assert (outer.start_time_unix_nano, outer.end_time_unix_nano) == (
        1_700_000_000_250_000_000,
        1_700_000_000_500_000_000,
    )
    shown = attributes(outer)
    assert shown["aws.xray.annotations.shade"].string_value == "blue"
    assert shown["aws.xray.annotations.n"].int_value == 3
    assert json.loads(shown["aws.xray.metadata.default"].string_value) == {"a": [1]}
    assert shown["http.response.status_code"].int_value == 200
    assert (outer.status.code, nested.status.code) == (0, outer.status.STATUS_CODE_ERROR)
    (event,) = nested.events
    assert attributes(event)["exception.message"].string_value == "no"
    assert attributes(event)["exception.stacktrace"].string_value == "a.py:3 f"
    assert collector.headers[0]["x-key"] == "secret"


@pytest.mark.slow
@pytest.mark.parametrize(
    "broken",
    [
        {"trace_id": "1-abc"}, {"trace_id": None}, {"id": "zz"}, {"start_time": "now"},
        {"end_time": None}, {"start_time": float("inf")}, {"in_progress": True},
    ],
)  # fmt: skip
def test_what_cannot_be_a_span_costs_only_itself(collector, broken):
    exporter = started(collector.url)
    exporter.offer(SCOPE, "f", segment(0) | broken, 100)
    exporter.offer(SCOPE, "f", segment(7), 100)
    assert collector.came.wait(10)
    exporter.close()
    assert [span.name for _, span in collector.spans()] == ["n7"]


def test_deep_nesting_ends(collector):
    deep = segment(0)
    for nth in range(1, 500):
        deep = segment(nth, subsegments=[deep])
    exporter = started(collector.url)
    exporter.offer(SCOPE, "f", deep, 100)
    assert collector.came.wait(10)
    exporter.close()
    assert len(collector.spans()) == 33


@pytest.mark.parametrize("collector", [(503, 429)], indirect=True)
def test_a_collector_that_is_busy_is_asked_again(collector):
    exporter = started(collector.url)
    exporter.offer(SCOPE, "f", segment(), 100)
    assert collector.came.wait(10)
    exporter.close()
    assert len(collector.spans()) == 1
    assert exporter.dropped == 0


@pytest.mark.parametrize("collector", [(400,)], indirect=True)
def test_what_is_refused_is_counted_and_the_next_batch_goes(collector):
    exporter = started(collector.url)
    exporter.offer(SCOPE, "f", segment(0), 100)
    end = time.monotonic() + 10
    while not exporter.dropped and time.monotonic() < end:
        time.sleep(0.01)
    assert exporter.dropped == 1
    exporter.offer(SCOPE, "f", segment(1), 100)
    assert collector.came.wait(10)
    exporter.close()
    assert [span.name for _, span in collector.spans()] == ["n1"]


def test_without_a_collector_the_queue_is_bounded_and_the_end_is_quick(monkeypatch):
    monkeypatch.setattr(otlp, "QUEUE_MAX", 100)
    exporter = OtlpExporter("http://127.0.0.1:1", {}, first_wait_s=60)
    for nth in range(250):
        exporter.offer(SCOPE, "f", segment(nth), 100)
    assert exporter.dropped == 150
    exporter.start()
    before = time.monotonic()
    exporter.close()
    assert time.monotonic() - before < otlp.SEND_S
    assert exporter.dropped == 250


def test_large_segments_are_bounded_together(monkeypatch):
    monkeypatch.setattr(otlp, "BYTES_MAX", 1_000)
    exporter = OtlpExporter("http://127.0.0.1:1", {}, first_wait_s=60)
    for size in (600, 600, 300, 101):
        exporter.offer(SCOPE, "f", segment(), size)
    assert exporter.dropped == 2
    exporter.close()


def test_batches_are_bounded(collector):
    exporter = OtlpExporter(collector.url, {}, gather_s=0.01)
    for nth in range(otlp.BATCH + 10):
        exporter.offer(SCOPE, "f", segment(nth), 100)
    exporter.start()
    end = time.monotonic() + 10
    while len(collector.requests) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    exporter.close()
    sizes = [len(r.resource_spans[0].scope_spans[0].spans) for r in collector.requests]
    assert sizes == [otlp.BATCH, 10]


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lambent.observe.otlp_spans", None)
    with pytest.raises(ConfigurationError) as caught:
        OtlpExporter("http://127.0.0.1:4318", {})
    assert caught.value.code == "OTLP_NOT_INSTALLED"
