"""What the Extensions and Telemetry APIs answer, and what ends an environment with an extension."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "Extension.Crash",
        "An external extension ended without being asked to.",
        "Its process exited or was killed, in Init or while the environment lived; the message has "
        "its status. The environment's processes are ended with it, as on AWS.",
        "Its output stands in the function's log; run it by itself, or take its layer off.",
    ),
    Entry(
        "Extension.LaunchError",
        "A file in `/opt/extensions` could not be started.",
        "It is not executable, or the interpreter in its first line does not exist.",
        "`chmod +x` before zipping; Python ones begin with `#!/var/lang/bin/python3`.",
    ),
    Entry(
        "Extension.InitError",
        "An extension reported that it cannot start (`init/error`).",
        "Its own reason stands in the message, often a key or an address that is not set.",
        "Set what it names in the function's environment.",
    ),
    Entry(
        "Extension.ExitError",
        "An extension reported that it must end (`exit/error`).",
        "Its own reason stands in the message.",
        "Its output stands in the function's log.",
    ),
    Entry(
        "Extension.InvalidEventType",
        "An extension registered for an event that does not exist.",
        "Events are INVOKE and SHUTDOWN.",
        "Mend the extension's call of `register`.",
    ),
    Entry(
        "Extension.InvalidExtensionName",
        "An extension registered without a name.",
        "`Lambda-Extension-Name` is missing; an external one gives its file's name.",
        "Mend the extension's call of `register`.",
    ),
    Entry(
        "Extension.InvalidExtensionState",
        "An extension called what its state does not allow.",
        "It registered twice, or called `event/next` while another call of it waits.",
        "One `register`, then `event/next` again and again.",
    ),
    Entry(
        "Extension.MissingExtensionIdentifier",
        "A call without `Lambda-Extension-Identifier`.",
        "`register` answers it in a header of that name.",
        "Send it with every later call.",
    ),
    Entry(
        "Extension.InvalidExtensionIdentifier",
        "`Lambda-Extension-Identifier` is not a UUID.",
        "It is not what `register` answered.",
        "Send the header of the answer as it is.",
    ),
    Entry(
        "Extension.UnknownExtensionIdentifier",
        "No extension of this environment has this identifier.",
        "It is another environment's, or was given before the environment's processes were ended.",
        "Register in each environment and after each start.",
    ),
    Entry(
        "Extension.MissingHeader",
        "An error was reported without its type.",
        "`Lambda-Extension-Function-Error-Type` is missing.",
        "Send it with `init/error` and `exit/error`.",
    ),
    Entry(
        "Extension.RegistrationClosed",
        "An extension registered too late.",
        "Internal extensions register while Init runs.",
        "Register at the top of the module, before the handler's first call.",
    ),
    Entry(
        "Extension.TooManyExtensions",
        "More than ten extensions.",
        "AWS's limit, external and internal together.",
        "Fewer layers that bring extensions.",
    ),
)
