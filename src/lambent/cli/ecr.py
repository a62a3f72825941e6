"""Which registry stands for ECR's names, for verbs that look at images themselves."""

from __future__ import annotations

from lambent.cli.options import Options


def registry(options: Options | None, given: str | None = None) -> str | None:
    """What the flag says, or the setting `image_registry`; None where AWS itself is meant."""
    if given is not None or (options is not None and options.aws):
        return given
    from lambent import settings
    from lambent.cli import project

    return settings.load(project=project.settings_file()).image_registry
