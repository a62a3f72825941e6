"""Dockerfiles: what is understood becomes a recipe, everything else is refused by name and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambent.delivery.images import dockerfile
from lambent.delivery.images.recipe import Copy, Install, Recipe
from lambent.delivery.problem import Problem


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    for name in ("app.py", "requirements.txt", "lib/one.py", "lib/deep/two.py", "data.bin"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("idna==3.10\n" if name == "requirements.txt" else name)
    return folder


def read(context: Path, text: str, **arguments: str) -> Recipe:
    (context / "Dockerfile").write_text(text)
    return dockerfile.read(context / "Dockerfile", context, arguments)


def placed(recipe: Recipe) -> list[str]:
    return [
        f"{step.to.rstrip('/')}/{file.name}"
        for step in recipe.steps
        if isinstance(step, Copy)
        for file in step.files
    ]


def test_the_habit_of_aws(context: Path) -> None:
    found = read(
        context,
        """
        # the base
        ARG VERSION=3.12
        FROM --platform=linux/amd64 machine:${VERSION} AS main
        COPY requirements.txt ${LAMBDA_TASK_ROOT}
        RUN pip install --no-cache-dir --upgrade pip && \\
            pip install -r requirements.txt --target "${LAMBDA_TASK_ROOT}"
        COPY app.py ${LAMBDA_TASK_ROOT}
        EXPOSE 8080
        CMD [ "app.handler" ]
        """,
    )
    assert found.base == "machine:3.12"
    assert placed(found) == ["/var/task/requirements.txt", "/var/task/app.py"]
    install = next(step for step in found.steps if isinstance(step, Install))
    assert (install.to, install.wanted.text) == ("/var/task", "idna==3.10\n")
    assert found.command == ("app.handler",)
    assert (found.working_directory, found.entry_point) == (None, None)


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("COPY app.py /srv/", ["/srv/app.py"]),
        ("COPY app.py /srv/main.py", ["/srv/main.py"]),
        ("COPY app.py .", ["/work/app.py"]),
        ("COPY app.py sub/", ["/work/sub/app.py"]),
        ("COPY lib /srv", ["/srv/deep/two.py", "/srv/one.py"]),
        ("COPY lib/ /srv/", ["/srv/deep/two.py", "/srv/one.py"]),
        ('COPY ["app.py", "data.bin", "/srv/"]', ["/srv/app.py", "/srv/data.bin"]),
        ("COPY *.py /srv/", ["/srv/app.py"]),
        ("COPY lib/*.py /srv/", ["/srv/one.py"]),
        ("COPY --chown=1000:1000 app.py /srv/", ["/srv/app.py"]),
        ("ADD data.bin /srv/", ["/srv/data.bin"]),
    ],
)
def test_copies(context: Path, line: str, paths: list[str]) -> None:
    assert placed(read(context, f"FROM scratch\nWORKDIR /work\n{line}")) == paths


def test_the_whole_folder_less_what_is_ignored(context: Path) -> None:
    (context / ".dockerignore").write_text("# not these\nlib\n*.bin\n!data.bin\nDockerfile\n")
    found = placed(read(context, "FROM scratch\nCOPY . ."))
    assert "/var/task/app.py" in found
    assert "/var/task/data.bin" in found
    assert not [path for path in found if "lib" in path or "Dockerfile" in path]


def test_settings(context: Path) -> None:
    found = read(
        context,
        """FROM scratch
ARG WHO
ARG HOW=well
ENV A=1 B="two words"
ENV C=${A}-${WHO:-nobody}
ENV OLD style here
LABEL team="x y"
WORKDIR /srv
WORKDIR below
ENTRYPOINT ["/bin/run"]
CMD serve --port 1
""",
        HOW="badly",
    )
    assert found.environment == {"A": "1", "B": "two words", "C": "1-nobody", "OLD": "style here"}
    assert found.labels == {"team": "x y"}
    assert found.working_directory == "/srv/below"
    assert found.entry_point == ("/bin/run",)
    assert found.command == ("/bin/sh", "-c", "serve --port 1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN apt-get update", "RUN apt-get update"),
        ("RUN pip install idna; rm -rf /", "RUN"),
        ("RUN pip install idna && make", "RUN make"),
        ("RUN pip install $(cat x)", "RUN"),
        ("RUN pip install .", "pip install ."),
        ("RUN pip install git+https://example.com/x", "pip install git"),
        ("RUN pip install --index-url http://x idna", "--index-url"),
        ("USER 1000", "USER 1000"),
        ("VOLUME /data", "VOLUME"),
        ("SHELL ['sh']", "SHELL"),
        ("ONBUILD COPY . .", "ONBUILD"),
        ("FROM other", "second FROM"),
        ("COPY --from=build /x /y", "--from=build"),
        ("ADD http://example.com/x /x", "ADD http"),
        ("ADD files.tar.gz /x", "ADD files.tar.gz"),
        ("NONSENSE x", "NONSENSE"),
    ],
)
def test_what_needs_docker_is_refused_by_name(context: Path, line: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        read(context, f"FROM scratch\n\n{line}")
    assert caught.value.code == "DOCKERFILE_UNSUPPORTED"
    assert "line 3" in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("COPY . .", "before FROM"),
        ("", "has no FROM"),
        ("FROM scratch\nCOPY ../x .", "outside the folder"),
        ("FROM scratch\nCOPY none.py .", "no none.py to copy"),
        ("FROM scratch\nENV A=${NOBODY}", "nothing has set NOBODY"),
        ("FROM scratch\nRUN pip install -r requirements.txt", "no COPY has brought"),
        ("FROM scratch\nCOPY app.py", "COPY app.py"),
    ],
)
def test_what_is_wrong_is_said(context: Path, text: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        read(context, text)


def test_packages_by_name(context: Path) -> None:
    found = read(context, "FROM scratch\nRUN python3 -m pip install 'idna>=3' six==1.17.0")
    (install,) = found.steps
    assert isinstance(install, Install)
    assert install.wanted.text == "idna>=3\nsix==1.17.0\n"
    assert install.to is None
    assert install.wanted.path.read_text() == install.wanted.text


def test_a_target_that_is_the_working_directory(context: Path) -> None:
    lines = "FROM scratch\nWORKDIR /srv/app\nRUN pip install -t . idna --break-system-packages"
    (install,) = read(context, lines).steps
    assert isinstance(install, Install)
    assert install.to == "/srv/app"


def test_links_out_of_the_context_are_refused(context: Path) -> None:
    (context / "out").symlink_to("/etc")
    with pytest.raises(Problem, match="outside the folder"):
        read(context, "FROM scratch\nCOPY . .")
