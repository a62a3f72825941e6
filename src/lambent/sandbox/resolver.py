"""Which name servers environments get in their /etc/resolv.conf."""

from __future__ import annotations

from pathlib import Path

PLACES = (
    Path("/etc/resolv.conf"),
    # Where /etc has only systemd's stub at 127.0.0.53, which no environment can reach.
    Path("/run/systemd/resolve/resolv.conf"),
)


def resolv_conf(places: tuple[Path, ...] = PLACES) -> str:
    """The host's own, if it names servers that can be reached from outside its loopback."""
    for path in places:
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if "nameserver 127." not in text and "nameserver ::1" not in text:
            return text
    return ""
