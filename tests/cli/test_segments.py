"""Documents in any order become one tree, whatever a function wrote into them."""

from __future__ import annotations

from lambent.cli import segments


def one(id_, parent=None, start=1.0, end=2.0, **more):
    return {
        "id": id_,
        "name": id_,
        "parent_id": parent,
        "start_time": start,
        "end_time": end,
    } | more


def shape(documents):
    return [(row.depth, row.name) for row in segments.rows(documents)]


def test_children_stand_below_their_parent_in_order_of_start():
    inner = one("inner", start=1.2)
    documents = [
        one("late", "root", 1.5), one("early", "root", 1.1, subsegments=[inner]), one("root"),
    ]  # fmt: skip
    assert shape(documents) == [(0, "root"), (1, "early"), (2, "inner"), (1, "late")]
    row = segments.rows(documents)[-1]
    assert (row.start_ms, row.duration_ms) == (500.0, 500.0)
    assert segments.end_ms(segments.rows(documents)) == 1000.0


def test_the_last_word_on_a_segment_counts():
    assert [row.duration_ms for row in segments.rows([one("a", end=None), one("a")])] == [1000.0]


def test_hostile_documents_end():
    assert shape([one("a", "b"), one("b", "a")]) == []
    assert shape([{"id": 1}, {"id": "a", "start_time": "x"}, one("ok\n", subsegments=[3])]) == [
        (0, "ok?")
    ]
    deep = one("x")
    for nth in range(100):
        deep = one(str(nth), subsegments=[deep])
    assert len(segments.rows([deep])) <= segments.DEEPEST
