"""Graphs become packages that the inference server answers with, in 8 bits where that loses little."""

import json

import numpy as np
import onnx
import pandas as pd
import pytest
from tests.delivery.graphs import graphs
from tests.delivery.graphs.test_facts import with_weights_outside

from lambent.delivery.graphs import evidence, served, steps
from lambent.delivery.graphs.purpose import Said
from lambent.delivery.problem import Problem


@pytest.fixture(scope="module")
def network():
    return graphs.trained()


def order(tmp_path, **more):
    return steps.Order(tmp_path / "graph.onnx", tmp_path / "made", "mine", **more)


def accuracy(model, count):
    rows, labels = graphs.digits()
    seen = np.rint(rows[1200 : 1200 + count] * 255 / 16) * 16 / 255
    return float((model.predict(seen) == labels[1200 : 1200 + count]).mean())


def write_rows(path, count=300):
    rows, labels = graphs.digits()
    frame = pd.DataFrame(rows[1200 : 1200 + count]).rename(columns=lambda place: f"p{place}")
    frame.assign(digit=labels[1200 : 1200 + count]).to_csv(path, index=False)


@pytest.mark.slow
def test_digits_as_pictures_are_told_as_the_network_tells_them(network, tmp_path):
    onnx.save(graphs.of_pictures(network), tmp_path / "graph.onnx")
    graphs.write_pictures(tmp_path / "pictures", 300)
    report = steps.compile_graph(order(tmp_path, sample=tmp_path / "pictures", int8=True))
    assert (report["task"], report["int8"]["measure"]) == ("classification", "accuracy")
    assert report["int8"]["before"] == pytest.approx(accuracy(network, 300))
    assert report["int8"]["lost"] <= 0.01
    assert report["int8"]["bytes"] < 0.6 * report["bytes"]
    made = tmp_path / "made"
    told = json.loads((made / "model.json").read_text())
    assert told["activation"] == "none"
    assert {"model.onnx", "warm_up.json", "compile.json"} == set(told["files"])
    event = json.loads((made / "warm_up.json").read_text())
    assert event["path"] == "/infer/classification"
    again = served.Served(made)  # whole, and loads
    assert again.size == (8, 8)
    again.close()


def test_logits_of_rows_get_a_label_and_shares(network, tmp_path):
    onnx.save(graphs.of_rows(network), tmp_path / "graph.onnx")
    write_rows(tmp_path / "rows.csv")
    names = tuple(f"digit {number}" for number in range(10))
    report = steps.compile_graph(
        order(tmp_path, sample=tmp_path / "rows.csv", target="digit", said=Said(classes=names))
    )
    assert report["label_added"]
    made = served.Served(tmp_path / "made")
    asked = evidence.table(tmp_path / "rows.csv", "digit", 64, ())
    answers = made.answers(asked)
    made.close()
    rows, _ = graphs.digits()
    assert [one.prediction for one in answers] == [
        names[i] for i in network.predict(rows[1200:1500])
    ]
    shares = [[one.probabilities[name] for name in names] for one in answers]
    np.testing.assert_allclose(shares, network.predict_proba(rows[1200:1500]), atol=1e-5)
    assert (
        json.loads((tmp_path / "made/warm_up.json").read_text())["features"]["p2"] == rows[1200][2]
    )


@pytest.mark.slow
def test_eight_bits_that_lose_too_much_are_refused_unless_accepted(tmp_path):
    onnx.save(graphs.convolution(harsh=True), tmp_path / "graph.onnx")
    pictures = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    from PIL import Image

    for channel, name in enumerate(("red", "green", "blue")):
        (pictures / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(90, 100, (16, 16, 3), dtype=np.uint8)
            pixels[..., channel] += 12
            Image.fromarray(pixels).save(pictures / name / f"{number}.png")
    asked = {"sample": pictures, "int8": True, "said": Said(classes=("red", "green", "blue"))}
    with pytest.raises(Problem) as caught:
        steps.compile_graph(order(tmp_path, **asked))
    assert caught.value.code == "QUANTISATION_LOSS"
    assert "accuracy" in caught.value.message
    assert "36" in caught.value.why
    assert not (tmp_path / "made").exists()
    report = steps.compile_graph(order(tmp_path, **asked, accept_loss=True))
    assert report["int8"]["accepted"]
    assert report["int8"]["method"] == "static"
    assert report["int8"]["lost"] > 0.01


def test_a_graph_without_a_sample_is_tried_on_something_grey(network, tmp_path):
    onnx.save(graphs.of_pictures(network, last=None), tmp_path / "graph.onnx")
    with pytest.raises(Problem) as caught:
        steps.compile_graph(order(tmp_path))
    assert caught.value.code == "GRAPH_TASK_UNKNOWN"
    report = steps.compile_graph(order(tmp_path, said=Said(task="embedding")))
    assert report["task"] == "embedding"
    event = json.loads((tmp_path / "made/warm_up.json").read_text())
    assert event["body"]["image"]["type"] == "base64"


def test_a_graph_that_does_not_fit_its_task(network, tmp_path):
    onnx.save(graphs.of_pictures(network), tmp_path / "graph.onnx")
    with pytest.raises(Problem) as caught:
        steps.compile_graph(order(tmp_path, said=Said(classes=("cat", "dog"))))
    assert caught.value.code == "GRAPH_UNSUITABLE"
    assert "10 outputs for 2 classes" in caught.value.why
    assert not (tmp_path / "made").exists()


def test_weights_beside_the_graph_come_along(tmp_path):
    with_weights_outside(tmp_path)
    (tmp_path / "a.onnx").rename(tmp_path / "graph.onnx")
    steps.compile_graph(order(tmp_path, said=Said(classes=tuple(map(str, range(64))))))
    # A label was added, so the weights are inside now.
    assert not (tmp_path / "made/weights.bin").exists()
    assert (tmp_path / "made/model.onnx").stat().st_size > 64 * 64 * 4


@pytest.mark.slow
def test_what_cannot_get_smaller_says_so(network, tmp_path):
    onnx.save(graphs.of_rows(network), tmp_path / "graph.onnx")
    write_rows(tmp_path / "rows.csv", 40)
    asked = {"sample": tmp_path / "rows.csv", "target": "digit", "int8": True, "max_loss": 1.0}
    steps.compile_graph(order(tmp_path, **asked))
    (tmp_path / "made/model.onnx").rename(tmp_path / "graph.onnx")
    with pytest.raises(Problem) as caught:
        steps.compile_graph(
            steps.Order(tmp_path / "graph.onnx", tmp_path / "again", "mine", **asked)
        )
    assert (caught.value.code, caught.value.why) == (
        "QUANTISATION_FAILED",
        "it is quantised already",
    )


def test_eight_bits_need_a_sample(network, tmp_path):
    onnx.save(graphs.of_rows(network), tmp_path / "graph.onnx")
    with pytest.raises(Problem) as caught:
        steps.compile_graph(order(tmp_path, int8=True))
    assert caught.value.code == "SAMPLE_MISSING"


def test_a_sample_that_does_not_fit(network, tmp_path):
    onnx.save(graphs.of_rows(network), tmp_path / "graph.onnx")
    pd.DataFrame({"a": [1.0]}).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(Problem) as caught:
        steps.compile_graph(order(tmp_path, sample=tmp_path / "rows.csv"))
    assert caught.value.code == "SAMPLE_INVALID"
    assert "64" in caught.value.why
    (tmp_path / "empty").mkdir()
    onnx.save(graphs.of_pictures(network), tmp_path / "graph.onnx")
    with pytest.raises(Problem) as caught:
        steps.compile_graph(order(tmp_path, sample=tmp_path / "empty"))
    assert caught.value.code == "SAMPLE_INVALID"
