"""Loads kernel modules by name, for the probes whose remedy that is."""

from __future__ import annotations

import shutil
import subprocess


def load_modules(*names: str) -> str:
    """Load each with modprobe; what was done. Raises OSError when one cannot be loaded."""
    program = shutil.which("modprobe") or shutil.which("/sbin/modprobe")
    if program is None:
        raise OSError("modprobe is not installed; in a container, load them on the host")
    for name in names:
        done = subprocess.run([program, name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"modprobe {name}: {done.stderr.strip()}")
    return "loaded " + ", ".join(names)
