"""A package whose graph answers what the test says, and a picture to ask it about."""

import pytest


@pytest.fixture
def answered(write, graph, ask, blank):
    """answered(question, outputs, *, pictures, classes, **manifest) → answers."""

    def answered(question, outputs, /, *, pictures=None, size=(64, 64), settings=None, **facts):
        write("made/1", {"weights.onnx": graph(outputs, size=size)}, **facts)
        return ask("made/1", question, pictures or [blank()], **(settings or {}))

    return answered
