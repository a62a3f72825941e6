import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from lambent.api import event_stream

names = st.text(alphabet="abc-:", min_size=1, max_size=20)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(names, st.text(max_size=40), max_size=4), st.binary(max_size=200)
        ),
        max_size=4,
    ),
    st.integers(1, 50),
)
def test_botocore_reads_our_frames(frames, step):
    wire = b"".join(event_stream.frame(headers, payload) for headers, payload in frames)
    buffer = EventStreamBuffer()
    for start in range(0, len(wire), step):
        buffer.add_data(wire[start : start + step])
    assert [(found.headers, found.payload) for found in buffer] == frames


def test_events_and_exceptions():
    buffer = EventStreamBuffer()
    buffer.add_data(event_stream.event("sessionUpdate", {"sessionResults": ["é"]}))
    buffer.add_data(event_stream.exception("SessionTimeoutException", "over"))
    update, end = list(buffer)
    assert update.to_response_dict()["status_code"] == 200
    assert update.headers[":event-type"] == "sessionUpdate"
    assert update.payload == '{"sessionResults":["é"]}'.encode()
    assert end.to_response_dict()["status_code"] == 400
    assert end.headers[":exception-type"] == "SessionTimeoutException"


def test_a_header_past_its_length_is_a_mistake_of_ours():
    with pytest.raises(Exception, match="format requires"):
        event_stream.frame({"name": "x" * 70_000}, b"")
