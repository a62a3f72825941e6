"""A signed package and what was done to it afterwards: only the untouched one is `signed`."""

from __future__ import annotations

import io
import random
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from lambent.signing import envelope, profiles
from lambent.signing.judging import judge, sign
from lambent.signing.statement import Statement, read

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "us-east-1"


def zipped(files=None, *, comment=b"", method=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as z:
        for name, content in (files or {"app.py": "x = 1\n", "lib/a.txt": "a" * 500}).items():
            z.writestr(name, content)
        z.comment = comment
    return made.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("profiles")


@pytest.fixture(scope="module")
def signer(folder):
    return profiles.create(folder, "mine", ACCOUNT, REGION, 400, NOW)


@pytest.fixture
def judged(tmp_path, folder):
    """`judged(package)` is the finding of a server that trusts what is in `folder`."""

    def of(package, trust=folder):
        file = tmp_path / "package.zip"
        file.write_bytes(package)
        return judge(file, lambda: profiles.trusted(trust))

    return of


def test_what_was_signed_is_found_whole_and_says_by_whom(signer, judged):
    signed = sign(zipped(), signer, NOW, 30)
    finding = judged(signed)
    assert (finding.kind, finding.revoked) == ("signed", False)
    assert finding.statement.profile_version_arn == signer.arn
    assert finding.statement.job_arn.startswith(f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-jobs/")
    assert finding.expires_at == NOW + timedelta(days=30)
    with zipfile.ZipFile(io.BytesIO(signed)) as z:
        assert z.testzip() is None
        assert z.namelist() == ["app.py", "lib/a.txt", envelope.NAME]
    assert judged(zipped()).kind == "unsigned"


def test_no_signature_outlives_its_certificate(signer, judged):
    finding = judged(sign(zipped(), signer, NOW, 9_000))
    assert finding.expires_at == NOW + timedelta(days=400)


def test_an_empty_zip_can_be_signed_too(signer, judged):
    made = io.BytesIO()
    zipfile.ZipFile(made, "w").close()
    assert judged(sign(made.getvalue(), signer, NOW, 1)).kind == "signed"


def test_no_byte_may_change(signer, judged):
    signed = bytearray(sign(zipped(), signer, NOW, 30))
    whole = judged(bytes(signed)).statement
    draw = random.Random(7)
    for at in range(len(signed)):
        old = signed[at]
        signed[at] ^= 1 << draw.randrange(8)
        finding = judged(bytes(signed))
        # A changed name of the signature's own entry makes the package unsigned, never signed.
        assert finding.kind in {"broken", "unsigned", "stranger"}, at
        # A strange profile is believed nothing; the policy decides about it.
        assert finding.kind != "stranger" or finding.statement != whole
        signed[at] = old
    assert judged(bytes(signed)).kind == "signed"


def test_nothing_is_added_or_taken(signer, judged):
    plain = zipped()
    signed = sign(plain, signer, NOW, 30)
    other = zipped({"app.py": "evil = 1\n"})
    end = signed[-22:]
    directory_at = int.from_bytes(end[16:20], "little")
    for name, changed in {
        "appended": signed + b"\0",
        "appended zip": signed + other,
        "in front": b"\0" + signed,
        "zip in front": other + signed,
        "end twice": signed + end,
        "comment": signed[:-2] + b"\x01\0!",
        "hole": signed[:directory_at] + b"\0" * 8 + signed[directory_at:],
        "second directory": signed[:-22]
        + other[int.from_bytes(other[-6:-2], "little") : -22]
        + end,
        "signature of another package": _graft(signed, other),
        "cut": signed[:-1],
    }.items():
        assert judged(changed).kind in {"broken", "unsigned"}, name
    for how in ("a", "w"):
        made = io.BytesIO(signed if how == "a" else b"")
        with zipfile.ZipFile(made, how) as z:
            if how == "w":
                z.writestr(envelope.NAME, zipfile.ZipFile(io.BytesIO(signed)).read(envelope.NAME))
            z.writestr("more.py", "evil = 1\n")
        assert judged(made.getvalue()).kind == "broken"


def _graft(signed, other):
    """Another package with the signature of the signed one, in perfect form."""
    statement = zipfile.ZipFile(io.BytesIO(signed)).read(envelope.NAME)
    return envelope.append(other, statement)


def test_a_signature_under_another_spelling_of_its_name_does_not_count(judged):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as z:
        z.writestr("META-INF/./lambent_signature_v1.sig", "anything")
    assert judged(made.getvalue()).kind == "broken"


def test_a_stranger_and_a_forger(signer, judged, folder, tmp_path):
    nobody = tmp_path / "nobody"
    stranger = profiles.create(nobody, "mine", ACCOUNT, REGION, 30, NOW)
    assert judged(sign(zipped(), stranger, NOW, 1)).kind == "stranger"
    forged = profiles.Profile(signer.arn, signer.certificate, stranger.key, signer.expires_at)
    assert judged(sign(zipped(), forged, NOW, 1)).kind == "broken"
    assert judged(sign(zipped(), signer, NOW, 1), trust=nobody).kind == "stranger"


def test_revocation_of_a_profile_version_or_of_one_job(signer, judged, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "mine.pem").write_bytes(signer.certificate.read_bytes())
    (folder / "broken.pem").write_text("no certificate")
    signed = sign(zipped(), signer, NOW, 1)
    finding = judged(signed, trust=folder)
    assert (finding.kind, finding.revoked) == ("signed", False)
    for arn in (signer.arn, finding.statement.job_arn):
        (folder / profiles.REVOKED).write_text(f"# gone since Monday\n{arn}  # lost\n")
        assert judged(signed, trust=folder).revoked
    assert not judged(sign(zipped(), signer, NOW, 1), trust=folder).revoked


@pytest.mark.parametrize(
    ("package", "why"),
    [
        (b"no zip", "no zip"),
        (zipped(comment=b"hello"), "comment"),
        (b"#!/bin/sh\n" + zipped(), "before it"),
        (zipped({envelope.NAME: "x"}), "already"),
    ],
)
def test_what_cannot_be_signed(signer, package, why):
    with pytest.raises(envelope.NotPlainError, match=why):
        sign(package, signer, NOW, 1)


def test_a_statement_has_one_form(signer):
    said = Statement(
        signer.arn, signer.arn.split("/")[0] + "/signing-jobs/" + "0" * 36, NOW, NOW, "a" * 96
    )
    text = said.sealed(signer.key)
    assert read(text).statement == said
    assert read(text).is_by(signer.key.public_key())
    for other in (
        text + b"\n",
        b"\n" + text,
        text.replace(b"\n", b"\r\n"),
        text.replace(b"lambent-signature: 1", b"lambent-signature: 2"),
        text.replace(b"2026-11-30", b"2026-13-30"),
        text.replace(b"package-sha384: a", b"package-sha384: A"),
        text.replace(b"123456789012:/signing-profiles", b"12345678901:/signing-profiles"),
    ):
        assert read(other) is None


def test_keys_are_their_owners_alone(signer):
    assert signer.certificate.with_suffix(".key").stat().st_mode & 0o777 == 0o600


def test_the_newest_version_of_a_profile_signs(tmp_path):
    old = profiles.create(tmp_path, "mine", ACCOUNT, REGION, 10, NOW)
    new = profiles.create(tmp_path, "mine", ACCOUNT, REGION, 10, NOW + timedelta(days=1))
    profiles.create(tmp_path, "other", ACCOUNT, REGION, 10, NOW + timedelta(days=2))
    assert profiles.newest(tmp_path, "mine").arn == new.arn
    new.certificate.with_suffix(".key").unlink()
    assert profiles.newest(tmp_path, "mine").arn == old.arn
    with pytest.raises(profiles.ProfileError, match="no profile 'nobody'"):
        profiles.newest(tmp_path, "nobody")
    with pytest.raises(profiles.ProfileError, match="profile name"):
        profiles.create(tmp_path, "a/b", ACCOUNT, REGION, 10, NOW)
    with pytest.raises(profiles.ProfileError, match="account"):
        profiles.create(tmp_path, "mine", "1", REGION, 10, NOW)
