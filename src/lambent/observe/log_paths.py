"""Where a log stream's file stands, and back again.

Account, region, group and stream names come from requests: each becomes exactly one component of
the path, reversibly (`/aws/lambda/f` → `%2Faws%2Flambda%2Ff`), whatever it holds. A name too long
for the file system is cut and told apart by a hash; its full text stands beside it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote, unquote

SUFFIX = ".log"
ROTATED = ".log.1"
NAME_FILE = ".name"
UNSORTED = ".unsorted"
MAX_COMPONENT = 200
"""Bytes; file systems take 255, and suffixes are added."""
CUT = "~"
"""Marks a cut name; `quote` leaves it as it is, so `component` codes it in all others."""


def component(name: str) -> str:
    """`name` as one path component: no separator, no `.` or `..`, nothing hidden, never empty."""
    coded = quote(name, safe="", errors="surrogatepass").replace(CUT, "%7E")
    if coded.startswith("."):
        coded = "%2E" + coded[1:]
    if not coded:
        return "%"
    if len(coded) > MAX_COMPONENT:
        digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
        return coded[: MAX_COMPONENT - 40] + CUT + digest
    return coded


def is_cut(coded: str) -> bool:
    """Whether `name_of` needs the name file."""
    return CUT in coded


def name_of(coded: str) -> str:
    """The name that `component` made `coded` of, unless it was cut."""
    return "" if coded == "%" else unquote(coded, errors="surrogatepass")


def group_folder(root: Path, account: str, region: str, group: str) -> Path:
    return root / component(account) / component(region) / component(group)


def stream_file(root: Path, account: str, region: str, group: str, stream: str) -> Path:
    return group_folder(root, account, region, group) / (component(stream) + SUFFIX)


def name_file(path: Path) -> Path:
    """Where the full name of a cut group folder or stream file stands."""
    return path / NAME_FILE if not path.name.endswith(SUFFIX) else path.with_suffix(NAME_FILE)


def rotated(path: Path) -> Path:
    """The older file of the stream whose current file is `path`."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ROTATED)


def unsorted_mark(path: Path) -> Path:
    """Stands beside the files of a stream whose events are not in the order of their times."""
    return path.with_name(path.name.removesuffix(SUFFIX) + UNSORTED)
