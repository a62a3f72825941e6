"""What a function's root shows: its own folders at Lambda's paths, the host's libraries, /tmp."""

from __future__ import annotations

import os
import sys

import pytest


def test_folders_stand_at_lambdas_paths(world):
    async def main():
        for name in ("task", "runtime", "layer"):
            (world.folder / name).mkdir(exist_ok=True)
            (world.folder / name / "mark").write_text(name)
        async with world.sandbox(
            runtime_dir=world.folder / "runtime", layer_dirs=(world.folder / "layer",)
        ) as sandbox:
            said = await world.shell(
                sandbox, "cat /var/task/mark /var/runtime/mark /opt/mark; ls /opt"
            )
            assert said == "taskruntimelayermark\n"

    world.go(main())


def test_what_was_not_given_is_an_empty_folder(world):
    async def main():
        async with world.sandbox(lang_dir=None) as sandbox:
            assert await world.shell(sandbox, "ls -A /var/lang /var/runtime /opt | wc -w") == "3\n"

    world.go(main())


def test_layers_are_merged_and_the_last_wins(world):
    layers = tuple(world.folder / name for name in ("first, of: two", "second", "third"))
    for number, layer in enumerate(layers):
        (layer / "python").mkdir(parents=True)
        (layer / "python" / "shared").write_text(f"{number}")
        (layer / "python" / f"only-{number}").write_text("")

    async def main():
        async with world.sandbox(layer_dirs=layers) as sandbox:
            said = await world.shell(sandbox, "cat /opt/python/shared; echo; ls /opt/python")
            assert said.split() == ["2", "only-0", "only-1", "only-2", "shared"]

    world.go(main())


def test_the_interpreter_works_where_it_is_shown(world):
    show = "import json, ssl, sqlite3, sys; print(sys.prefix, sys.executable)"

    async def main():
        async with world.sandbox() as sandbox:
            _, said = await world.run(sandbox, world.python, "-c", show)
            assert said.split() == ["/var/lang", world.python]
            _, said = await world.run(sandbox, world.python, "-c", "import os; print(os.__file__)")
            assert said.startswith("/var/lang/")

    world.go(main())


def test_tmp_is_the_functions_own_and_stays(world):
    async def main():
        async with world.host() as host:
            first, second = [await host.create(world.spec()) for _ in range(2)]
            await world.shell(first, "echo mine > /tmp/file; mkdir -p /tmp/a/b")
            assert await world.shell(first, "cat /tmp/file; id -un; stat -c %U /tmp") == (
                "mine\nsbx_user1051\nsbx_user1051\n"
            )
            assert await world.shell(second, "ls -A /tmp") == ""
        assert not any((world.folder / "data").rglob("file"))

    world.go(main())


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="without root /tmp is a tmpfs, which is memory")
@pytest.mark.root
def test_tmp_does_not_count_as_memory(world):
    async def main():
        async with world.sandbox(memory_mb=128, ephemeral_mb=512) as sandbox:
            await world.shell(sandbox, "head -c 300000000 /dev/zero > /tmp/big; ls -l /tmp/big")
            assert sandbox.memory_mb() < 64

    world.go(main())


def test_a_closed_folder_above_does_not_matter(world):
    """The server may keep its data where only it can go."""
    task = world.folder / "closed" / "task"
    task.mkdir(parents=True)
    (task / "mark").write_text("seen")
    (world.folder / "closed").chmod(0o700)

    async def main():
        async with world.sandbox(task_dir=task) as sandbox:
            assert await world.shell(sandbox, "cat /var/task/mark") == "seen"

    world.go(main())


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's folder is closed to us too")
@pytest.mark.root
def test_folders_of_another_user_can_be_shown_by_root(world):
    task = world.folder / "theirs" / "task"
    task.mkdir(parents=True)
    (task / "mark").write_text("seen")
    os.chown(world.folder / "theirs", 12345, 12345)
    (world.folder / "theirs").chmod(0o700)

    async def main():
        async with world.sandbox(task_dir=task) as sandbox:
            assert await world.shell(sandbox, "cat /var/task/mark") == "seen"

    world.go(main())


def test_the_host_does_not_see_the_mounts(world):
    async def main():
        with open("/proc/self/mounts") as file:
            before = file.read()
        async with world.sandbox():
            with open("/proc/self/mounts") as file:
                assert file.read() == before

    world.go(main())


def test_time_zone_certificates_and_names_are_there(world):
    show = (
        "import ssl, socket, getpass; c = ssl.create_default_context(); "
        "print(len(c.get_ca_certs()) > 0, getpass.getuser(), socket.getservbyname('https'))"
    )

    async def main():
        async with world.sandbox() as sandbox:
            _, said = await world.run(sandbox, world.python, "-c", show)
            trusted, user, port = said.split()
            assert user == "sbx_user1051"
            assert port == "443"
            assert trusted == "True" or sys.platform != "linux"

    world.go(main())
