"""A registry that lies: wrong contents, cut, slow, failing. What is served is always whole."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambent_inference.errors import (
    BrokenPackage,
    Forbidden,
    InvalidModelConfiguration,
    PlatformMalformed,
    PlatformTimeout,
    PlatformUnreachable,
)
from lambent_inference.models import package
from lambent_inference.models.registries.remote import opened


def held(remote, name="shapes/1"):
    found = remote.find(name, None)
    assert found is not None
    with found.held() as one:
        package.verify(one.manifest, one.folder)
        return found.model_id, one.folder


@pytest.mark.parametrize(
    "name", ["shapes/1", "shapes", "shapes/latest", "shapes/production", "forms"]
)
def test_every_name_leads_to_the_package(remote, name):
    model_id, folder = held(remote(), name)
    assert model_id == "shapes/1"
    assert (folder / "weights.onnx").is_file()


@pytest.mark.parametrize("name", ["shapes/2", "other", "shapes/staging"])
def test_what_is_not_there_is_not_found(remote, name):
    assert remote().find(name, None) is None


@pytest.mark.slow
def test_it_is_fetched_once_by_many(remote, registry):
    source = remote()
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: held(source), range(16)))
    held(remote())  # another process's view of the same cache
    assert registry.count("weights.onnx") == 1


def test_a_cut_download_goes_on_where_it_ended(remote, registry):
    registry.faults["weights.onnx"] = [("cut", 50_000), ("cut", 50_000), None]
    held(remote())
    begins = [wanted for path, wanted in registry.asked if path.endswith("weights.onnx")]
    assert begins == [None, "bytes=50000-", "bytes=100000-"]


def test_a_server_without_ranges_starts_over(remote, registry):
    registry.faults["weights.onnx"] = [("cut", 50_000), "whole", None]
    held(remote())
    assert registry.count("weights.onnx") == 2


def test_other_contents_once_are_fetched_again(remote, registry):
    registry.faults["weights.onnx"] = ["other", None]
    held(remote())
    assert registry.count("weights.onnx") == 2


def test_other_contents_always_are_never_served(remote, registry):
    registry.faults["weights.onnx"] = ["other"]
    source = remote()
    for _ in range(2):
        with pytest.raises(BrokenPackage):
            held(source)
    assert not [one for one in source._cache.folder.rglob("*") if one.name == "weights.onnx"]
    registry.faults.clear()
    held(source)


def test_500s_are_tried_again_and_then_told(remote, registry):
    registry.faults["weights.onnx"] = [500, 502, None]
    held(remote())
    registry.faults["index.json"] = [503]
    with pytest.raises(PlatformUnreachable):
        remote().find("shapes/1", None)
    assert registry.count("index.json") == 1 + 3


def test_an_index_that_was_read_outlives_the_registry(remote, registry, monkeypatch):
    source = remote()
    held(source)
    monkeypatch.setattr("lambent_inference.models.registries.remote.FRESH_S", 0.0)
    registry.faults |= {"index.json": [500], "model.json": [500]}
    held(source)


@pytest.mark.slow
def test_a_slow_registry_ends_in_an_error_not_in_waiting(remote, registry):
    registry.faults["weights.onnx"] = [("stall", 0)]
    with pytest.raises((PlatformTimeout, PlatformUnreachable)):
        held(remote(request_s=0.3))


@pytest.mark.slow
def test_a_slow_line_that_moves_is_a_line(remote, registry):
    registry.faults["weights.onnx"] = [("stall", 90_000)] * 3 + [None]
    held(remote(request_s=0.5))
    assert registry.count("weights.onnx") == 4


def test_refusals_and_nonsense(remote, registry, root):
    registry.faults["weights.onnx"] = [403]
    with pytest.raises(Forbidden):
        held(remote())
    (root / "index.json").write_text("{")
    with pytest.raises(PlatformMalformed):
        remote().find("shapes/1", None)
    (root / "index.json").unlink()
    (root / "shapes" / "1" / "model.json").write_text("{}")
    with pytest.raises(BrokenPackage):
        remote().find("shapes/1", None)


def test_a_manifest_cannot_write_outside_of_its_package(remote, root):
    import json

    path = root / "shapes" / "1" / "model.json"
    facts = json.loads(path.read_text())
    for name in ("../escaped", "/tmp/escaped", "a/../../escaped", "model.json", "a\\b"):
        facts["files"] = {name: {"sha256": "0" * 64, "size": 1}}
        path.write_text(json.dumps(facts))
        with pytest.raises(BrokenPackage):
            remote().find("shapes/1", None)


def test_a_version_that_was_pushed_again_replaces_the_old_one(remote, write, graph, registry):
    import numpy as np

    _, before = held(remote())
    old = (before / "weights.onnx").read_bytes()
    write("shapes/1", {"weights.onnx": graph({"output0": np.zeros((5, 9))})}, classes=["a"])
    _, after = held(remote())
    assert (after / "weights.onnx").read_bytes() != old


def test_half_written_and_damaged_packages_are_fetched_again(remote, registry):
    _, folder = held(remote())
    weights = folder / "weights.onnx"
    weights.write_bytes(weights.read_bytes()[:-1])
    held(remote())
    weights.unlink()
    held(remote())
    (folder / "model.json").write_text("{")
    held(remote())
    assert registry.count("weights.onnx") == 4


def test_what_a_crash_left_is_gone_on_with(remote, registry, root):
    source = remote()
    found = source.find("shapes/1", None)
    partial = source._cache._place(f"{registry.uri}/shapes/1").with_suffix(".partial")
    partial.mkdir(parents=True)
    data = (root / "shapes" / "1" / "weights.onnx").read_bytes()
    (partial / "weights.onnx").write_bytes(data[:70_000])
    with found.held():
        pass
    assert ("/shapes/1/weights.onnx", "bytes=70000-") in registry.asked


def test_plain_http_is_for_this_machine_only(settings):
    with pytest.raises(InvalidModelConfiguration):
        opened("http://models.example.com", None, settings())


def test_the_cache_keeps_its_size_and_what_is_held(remote, write, graph, root, registry):
    import numpy as np

    from lambent_inference.models import index

    known = index.decode((root / "index.json").read_bytes())
    for number in range(2, 5):
        rows = {"output0": np.full((5, 20_000), number / 100)}
        known.add(write(f"shapes/{number}", {"weights.onnx": graph(rows)}, classes=["a"]))
    (root / "index.json").write_bytes(index.encode(known))
    source = remote(max_mb=1)  # 400 kB each
    inside, go = threading.Event(), threading.Event()

    def hold():
        with source.find("shapes/1", None).held() as one:
            inside.set()
            go.wait(60)
            package.verify(one.manifest, one.folder)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(60)
    for number in (2, 3, 4):
        held(source, f"shapes/{number}")
        assert source._cache.size_bytes() <= 1_000_000
    go.set()
    holder.join()
    held(source, "shapes/4")
    held(source, "shapes/1")
    counts = [registry.count(f"/shapes/{number}/weights.onnx") for number in (1, 4)]
    assert counts == [1, 1], "the held one and the latest stayed"


def test_redis_that_is_away_changes_nothing(remote):
    held(remote(redis_host="127.0.0.1", redis_port=1))


def test_the_token_travels_in_the_header(remote, registry):
    held(remote(model_registry_token="letmein"))
    assert registry.tokens == {"Bearer letmein"}
