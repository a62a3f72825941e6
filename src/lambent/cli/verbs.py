"""What `lambent --help` says, as data: it is printed without importing click.

Importing click takes 40 ms, and three times that where bytecode is not written; help takes 30.
"""

from __future__ import annotations

from typing import Final, NamedTuple

SUMMARY: Final = "AWS Lambda's API with real, sandboxed execution on your own machine."


class Entry(NamedTuple):
    panel: str
    text: str


VERBS: Final = {
    "up": Entry("Start", "Run the platform here (-d: in the background)."),
    "down": Entry("Start", "Stop the platform that runs in the background."),
    "status": Entry("Start", "Say whether it runs, and where."),
    "doctor": Entry("Start", "Look at this machine, with remedies (--fix)."),
    "init": Entry("Start", "Write a new project from a template."),
    "dev": Entry("Ship", "Make every save live at once, with logs (--debug: debugger)."),
    "diff": Entry("Ship", "Show what a deploy would change."),
    "deploy": Entry("Ship", "Package, upload, publish a version, move the alias."),
    "rollback": Entry("Ship", "Move the alias back to the version before."),
    "rm": Entry("Ship", "Delete functions."),
    "invoke": Entry("Use", "Call a function and show its answer."),
    "curl": Entry("Use", "Send a function an HTTP request, as its URL would."),
    "logs": Entry("Use", "Show a function's log lines."),
    "trace": Entry("Use", "Show where the time of one request went."),
    "cost": Entry("Use", "Show what a function cost, and what it would."),
    "fn": Entry("Manage", "List, show and delete functions."),
    "alias": Entry("Manage", "List aliases, point them at versions, split their calls."),
    "model": Entry("Manage", "Compile, push, list, show and import model packages."),
    "gateway": Entry("Manage", "Put functions behind REST APIs, HTTP APIs, load balancers."),
    "snapshot": Entry("Manage", "Show what snapshots hold in memory (snapshot show)."),
    "image": Entry("Manage", "Build, push, measure and serve container images."),
    "layer": Entry("Manage", "Build, publish, list, show and delete layers."),
    "sign": Entry("Manage", "Sign packages for code signing: profiles, zips (sign show)."),
    "audit": Entry("Manage", "Show who called the API, and what came of it."),
    "iam": Entry("Manage", "Explain a policy's decision; the least policy for a function."),
    "env": Entry("Bridge", 'Print exports for other tools: eval "$(lambent env)".'),
    "config": Entry("Meta", "Show settings, and where each came from (config show --origin)."),
    "completion": Entry("Meta", "Print the script for Tab in bash, zsh or fish."),
    "version": Entry("Meta", "Print the version."),
}

FLAGS: Final = {
    "--json": "One JSON object instead of text.",
    "-q, --quiet": "No hints, no progress.",
    "--no-color": "Plain text.",
    "--profile NAME": "Profile of ~/.aws to use.",
    "--region NAME": "AWS region.",
    "--endpoint-url URL": "Server to speak to; `aws` is AWS.",
    "--aws": "Speak to AWS itself.",
    "-y, --yes": "Answer questions with yes.",
    "--debug": "Show where an error came from.",
    "-h, --help": "Show this text, or a verb's.",
}
"""Understood by every verb, before or after its name."""


def help_text() -> str:
    """The verbs by panel, then the flags."""
    lines = ["Usage: lambent [FLAGS] VERB …", "", f"  {SUMMARY}"]
    for panel in dict.fromkeys(entry.panel for entry in VERBS.values()):
        lines += ["", f"{panel}:"]
        lines += [f"  {n:<18}  {e.text}" for n, e in VERBS.items() if e.panel == panel]
    lines += ["", "Flags, before or after the verb:"]
    lines += [f"  {name:<18}  {text}" for name, text in FLAGS.items()]
    return "\n".join(lines)
