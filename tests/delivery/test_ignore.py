from pathlib import Path

import pytest

from lambent.delivery.ignore import Ignore, read


@pytest.mark.parametrize(
    ("pattern", "name", "out"),
    [
        ("*.csv", "data/big.csv", True),
        ("*.csv", "data/big.csv.gz", False),
        ("/data.csv", "data.csv", True),
        ("/data.csv", "sub/data.csv", False),
        ("sub/*.csv", "sub/a.csv", True),
        ("sub/*.csv", "sub/deep/a.csv", False),
        ("sub/**/a.csv", "sub/very/deep/a.csv", True),
        ("**/notes", "a/b/notes", True),
        ("model?.bin", "model1.bin", True),
        ("model[0-3].bin", "model2.bin", True),
        ("model[!0-3].bin", "model2.bin", False),
        ("a+b.txt", "a+b.txt", True),
        ("\\#odd", "#odd", True),
    ],
)
def test_patterns(pattern: str, name: str, out: bool) -> None:
    assert Ignore((pattern,)).excludes(name, folder=False) is out


def test_a_slash_at_the_end_means_folders_only() -> None:
    rules = Ignore(("build/",))
    assert rules.excludes("build", folder=True)
    assert not rules.excludes("build", folder=False)


def test_the_last_match_decides() -> None:
    rules = Ignore(("*.bin", "!keep.bin"))
    assert rules.excludes("drop.bin", folder=False)
    assert not rules.excludes("keep.bin", folder=False)


def test_secrets_stay_out_unless_asked_for() -> None:
    assert Ignore().excludes(".env", folder=False)
    assert not Ignore(("!.env",)).excludes(".env", folder=False)


def test_comments_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / ".lambentignore").write_text("# a comment\n\n*.csv  \n")
    rules = read(tmp_path)
    assert rules.excludes("a.csv", folder=False)
    assert not rules.excludes("# a comment", folder=False)


def test_gitignore_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("model.joblib\n")
    assert not read(tmp_path).excludes("model.joblib", folder=False)
