"""The life of an environment: what is legal, and that nothing else is."""

import itertools

import pytest

from lambent.engine.states import NEXT, Event, InvalidStateTransition, State, advance

LIVES = [
    [Event.START, Event.READY, Event.INVOKE, Event.ANSWER, Event.NEXT, Event.INVOKE, Event.CLOSE],
    [Event.START, Event.INIT_FAILED, Event.INVOKE, Event.READY, Event.ANSWER, Event.NEXT],
    [Event.START, Event.READY, Event.INVOKE, Event.BREAK, Event.START, Event.READY, Event.INVOKE],
    [Event.CLOSE],
]


@pytest.mark.parametrize("life", LIVES)
def test_each_kind_of_life_is_legal(life):
    state = State.NEW
    for event in life:
        state = advance(state, event)


def test_everything_that_the_table_does_not_name_is_refused():
    for state, event in itertools.product(State, Event):
        if (state, event) not in NEXT:
            with pytest.raises(InvalidStateTransition) as caught:
                advance(state, event)
            assert (caught.value.state, caught.value.event) == (state, event)


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.INIT, Event.ANSWER),
        (State.IDLE, Event.ANSWER),
        (State.RETURNING, Event.ANSWER),
        (State.RUNNING, Event.READY),
        (State.RUNNING, Event.INVOKE),
        (State.CLOSED, Event.INVOKE),
        (State.CLOSED, Event.CLOSE),
    ],
)
def test_a_runtime_cannot_answer_twice_or_out_of_turn(state, event):
    assert (state, event) not in NEXT


def test_every_state_but_the_last_can_be_left_and_closed():
    for state in State:
        if state is not State.CLOSED:
            assert NEXT[state, Event.CLOSE] is State.CLOSED
