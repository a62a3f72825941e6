"""Buckets of the server's own: the rules of S3, on real files and a real database."""

import asyncio

import pytest

from lambent.clock import ManualClock
from lambent.control.buckets import PART_MIN, Buckets
from lambent.control.names import Scope
from lambent.control.s3 import own_object
from lambent.errors import InvalidParameterValue, S3Error
from lambent.store.database import Database

ME = "123456789012"
HERE = Scope(ME, "us-east-1")
THERE = Scope(ME, "eu-west-1")
OTHER = Scope("210987654321", "us-east-1")


@pytest.fixture
def run(tmp_path):
    """`run(story)` plays a story with buckets that were opened for it; the same files each time."""

    def play(story):
        async def main():
            database = Database(tmp_path / "buckets.sqlite")
            await database.open()
            buckets = Buckets(database, tmp_path / "buckets", ManualClock())
            await buckets.open()
            try:
                return await story(buckets)
            finally:
                await buckets.close()
                await database.close()

        return asyncio.run(main())

    return play


def files(tmp_path):
    return [file for file in (tmp_path / "buckets").rglob("*") if file.is_file()]


class refusal:
    def __init__(self, code):
        self.code = code

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert isinstance(error, S3Error), f"nothing was refused with {self.code}"
        assert error.wire_code == self.code
        return True


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-abc",
        "abc-",
        "a..b",
        "192.168.5.4",
        "xn--abc",
        "a/b",
        "metrics",
    ],
)
def test_names_that_no_bucket_has(run, name):
    async def story(buckets):
        with refusal("InvalidBucketName"):
            await buckets.create(HERE, name)

    run(story)


def test_a_bucket_belongs_to_one_account_and_is_the_same_everywhere(run):
    async def story(buckets):
        await buckets.create(HERE, "mine")
        await buckets.create(HERE, "mine")
        with refusal("BucketAlreadyOwnedByYou"):
            await buckets.create(THERE, "mine")
        with refusal("BucketAlreadyExists"):
            await buckets.create(OTHER, "mine")
        with refusal("AccessDenied"):
            await buckets.put(OTHER.account, "mine", "k", b"", {}, {})
        with refusal("NoSuchBucket"):
            buckets.object(ME, "yours", "k")
        assert [one.name for one in buckets.owned(ME)] == ["mine"]
        assert buckets.owned(OTHER.account) == []

    run(story)


def test_objects_survive_a_restart_and_leave_no_file_behind(run, tmp_path):
    async def first(buckets):
        await buckets.create(HERE, "code")
        await buckets.put(ME, "code", "a/b", b"one", {"x-amz-meta-a": "1"}, {"t": "u"})
        await buckets.put(ME, "code", "a/b", b"two", {"x-amz-meta-a": "2"}, {})
        await buckets.put(ME, "code", "gone", b"three", {}, {})
        await buckets.remove(ME, "code", "gone")
        await buckets.remove(ME, "code", "never was")
        with refusal("BucketNotEmpty"):
            await buckets.delete(ME, "code")

    run(first)
    assert len(files(tmp_path)) == 1
    (tmp_path / "buckets" / "incoming" / "half").write_bytes(b"half-made")
    (tmp_path / "buckets" / "nobodys").write_bytes(b"its row never came")

    async def second(buckets):
        found = buckets.object(ME, "code", "a/b")
        assert (found.size, found.headers) == (3, {"x-amz-meta-a": "2"})
        assert buckets.path(found).read_bytes() == b"two"
        await buckets.copy(found, ME, "code", "copy", None)
        await buckets.remove(ME, "code", "a/b")
        assert [one.key for one in buckets.objects("code")] == ["copy"]
        await buckets.remove(ME, "code", "copy")
        await buckets.delete(ME, "code")
        assert not buckets.has("code")

    run(second)
    assert files(tmp_path) == []


def test_an_upload_in_parts(run, tmp_path):
    async def story(buckets):
        await buckets.create(HERE, "code")
        upload = await buckets.begin(ME, "code", "big", {"content-type": "application/zip"})
        first = await buckets.put_part(upload, 1, b"replaced")
        first = await buckets.put_part(upload, 1, b"a" * PART_MIN)
        last = await buckets.put_part(upload, 7, b"end")
        upload = buckets.upload(ME, "code", "big", upload.upload_id)
        for wanted, code in (
            ([], "MalformedXML"),
            ([(7, last.md5), (1, first.md5)], "InvalidPartOrder"),
            ([(1, last.md5)], "InvalidPart"),
            ([(2, first.md5)], "InvalidPart"),
        ):
            with refusal(code):
                await buckets.complete(upload, wanted)
        made = await buckets.complete(upload, [(1, first.md5), (7, f'"{last.md5}"')])
        assert made.size == PART_MIN + 3
        assert made.etag.endswith("-2")
        with refusal("NoSuchUpload"):
            buckets.upload(ME, "code", "big", upload.upload_id)
        short = await buckets.begin(ME, "code", "short", {})
        one, two = [await buckets.put_part(short, n, b"x") for n in (1, 2)]
        short = buckets.upload(ME, "code", "short", short.upload_id)
        with refusal("EntityTooSmall"):
            await buckets.complete(short, [(1, one.md5), (2, two.md5)])
        await buckets.abort(short)

    run(story)
    assert [file.stat().st_size for file in files(tmp_path)] == [PART_MIN + 3]


def test_code_is_read_in_s3s_words(run):
    async def story(buckets):
        await buckets.create(HERE, "code")
        await buckets.put(ME, "code", "k", b"zip", {}, {})
        assert own_object(buckets, HERE, "code", "k").read_bytes() == b"zip"
        for scope, key, version, said in (
            (HERE, "other", None, "S3 Error Code: NoSuchKey"),
            (OTHER, "k", None, "S3 Error Code: AccessDenied"),
            (HERE, "k", "v1", "S3 Error Code: NoSuchVersion"),
        ):
            with pytest.raises(InvalidParameterValue, match=said):
                own_object(buckets, scope, "code", key, version)

    run(story)
