import pytest

from lambent.cost import prices
from lambent.errors import ConfigurationError


def test_the_list_that_comes_with_us():
    ours = prices.default()
    assert ours.x86_64.request == ours.arm64.request == 200_000
    assert ours.of("x86_64").duration_gb_s == 16_666_700
    assert ours.of("arm64").duration_gb_s == 13_333_400
    assert ours.x86_64.provisioned_duration_gb_s == 9_722_200
    assert (ours.free_requests, ours.free_gb_s) == (1_000_000, 400_000)
    assert ours.date
    assert ours.source.startswith("https://aws.amazon.com/lambda/pricing")


def test_another_list_takes_its_place(tmp_path):
    text = prices.DEFAULT_FILE.read_text()
    own = tmp_path / "prices.toml"
    own.write_text(text.replace('"0.20"', '"0.30"').replace("us-east-1", "sa-east-1"))
    assert prices.load(own).x86_64.request == 300_000
    assert prices.load(own).region == "sa-east-1"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"0.20"', "0.20", "not text"),
        ('"0.20"', '"cheap"', "price list"),
        ('"0.20"', '"-1"', "not a price"),
        ('"0.20"', '"NaN"', "not a price"),
        ('"0.0000166667"', '"0.0000000000001"', "finer than a picodollar"),
        ("[arm64]", "[arm]", "has no 'arm64'"),
        ("400_000", '"many"', "not a number"),
        ("[free_tier]", "[free_tier", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_list_is_said(tmp_path, old, new, says):
    own = tmp_path / "prices.toml"
    own.write_text(prices.DEFAULT_FILE.read_text().replace(old, new))
    with pytest.raises(ConfigurationError, match=says):
        prices.load(own)


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        prices.load(tmp_path / "none.toml")
