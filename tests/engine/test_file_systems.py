"""File systems of functions: local folders below /mnt, shared by whoever names the access point."""

from __future__ import annotations

import pytest

from lambent.engine.file_systems import FileSystems
from lambent.errors import FileSystemMountFailure, SandboxError

ARN = "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0"
NOTES = """
import os
def handler(event, context):
    if "write" in event:
        with open("/mnt/notes/text", "a") as file:
            file.write(event["write"])
    return [open("/mnt/notes/text").read(), os.listdir("/mnt")]
"""


def test_two_functions_share_a_folder_of_the_host(engine, tmp_path):
    folder = tmp_path / "shared"

    async def main(e):
        e.dispatcher._launcher._file_systems = FileSystems(folder)
        systems = ((ARN, "/mnt/notes"),)
        e.function(NOTES, "writer", file_systems=systems)
        e.function(NOTES, "reader", file_systems=systems)
        assert await e.answer({"write": "hello"}, "writer") == ["hello", ["notes"]]
        assert await e.answer({}, "reader") == ["hello", ["notes"]]
        assert (folder / "fsap-0123456789abcdef0" / "text").read_text() == "hello"
        e.function("import os\ndef handler(event, context):\n    return os.listdir('/mnt')\n")
        assert await e.answer() == []

    engine(main)


def test_nothing_else_below_mnt_can_be_written(engine, tmp_path):
    async def main(e):
        e.dispatcher._launcher._file_systems = FileSystems(tmp_path)
        source = "def handler(event, context):\n    open('/mnt/other', 'w')\n"
        e.function(source, file_systems=((ARN, "/mnt/notes"),))
        assert (await e.error())["errorType"] in {"OSError", "PermissionError"}

    engine(main)


def test_without_the_setting_the_invoke_says_what_is_missing(engine):
    async def main(e):
        e.function(NOTES, file_systems=((ARN, "/mnt/notes"),))
        with pytest.raises(FileSystemMountFailure, match="file_systems_dir"):
            await e.call()

    engine(main)


def test_where_nothing_can_be_mounted_it_is_refused(engine, tmp_path):
    async def main(e):
        e.dispatcher._launcher._file_systems = FileSystems(tmp_path)
        e.function(NOTES, file_systems=((ARN, "/mnt/notes"),))
        with pytest.raises(SandboxError) as raised:
            await e.call()
        assert raised.value.code == "SANDBOX_CANNOT_MOUNT"

    engine(main, sandbox="process")
