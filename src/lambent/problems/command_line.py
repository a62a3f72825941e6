"""What the verbs of the command line raise, and what boto3 tells them."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "NOT_ON_AWS",
        "AWS has no answer to this.",
        "The verb shows what a lambent server measures of itself.",
        "Leave `--aws` away, or name a server with `--endpoint-url`.",
    ),
    Entry(
        "USAGE",
        "The command was not written as its verb takes it.",
        "A flag or argument is missing, unknown, or has a value of the wrong kind.",
        "`lambent VERB --help` lists what the verb takes.",
    ),
    Entry(
        "UNKNOWN_VERB",
        "There is no such verb.",
        "A typing error, or a verb of another version.",
        "The `fix` line names the nearest verb; `lambent --help` lists all.",
    ),
    Entry(
        "NAME_INVALID",
        "The name cannot be a function's.",
        "Lambda takes letters, digits, `-` and `_`, at most 64 characters.",
        "Choose another name: `lambent init NAME`.",
    ),
    Entry(
        "FILES_EXIST",
        "`init` would write over a file.",
        "The folder already holds a file of the template.",
        "Another name, or `-y` to write over it.",
    ),
    Entry(
        "FILE",
        "A file that was named cannot be read or written.",
        "It does not exist, or its permissions forbid it.",
        "Check the path and its permissions.",
    ),
    Entry(
        "EVENT_INVALID",
        "The event is not JSON.",
        "Lambda events are JSON documents; text needs quotes.",
        "`-d '{\"key\": 1}'`, `-d @event.json`, or `-i key=1`.",
    ),
    Entry(
        "INPUT_INVALID",
        "An `-i` flag is not `K=V`.",
        "There is no `=` in it.",
        "`-i tenure_months=3`; `-i image=@photo.jpg` for a file.",
    ),
    Entry(
        "SINCE_INVALID",
        "`--since` is neither a time span nor a moment.",
        "It takes a whole number and one of `s`, `m`, `h`, `d`, `w`, or a date and time of ISO 8601.",
        "`--since 10m`, `--since 2026-11-21T14:30`.",
    ),
    Entry(
        "FUNCTION_MISSING",
        "No function was named, and none could be guessed.",
        "There is no `template.yaml` in this folder.",
        "Name it: `lambent logs FUNCTION`.",
    ),
    Entry(
        "FUNCTION_UNKNOWN",
        "The template has no function of that name.",
        "A typing error, or another template.",
        "Use a name from the template, or give the right one with `-t`.",
    ),
    Entry(
        "FUNCTION_FAILED",
        "The function ran and ended in an error; the exit code is 5.",
        "The message is the function's own `errorType` and `errorMessage`; `why` is the last line "
        "of its stack trace.",
        "`lambent logs FUNCTION` has the whole trace. For a type with a dot, such as "
        "`Runtime.ExitError`, see [Functions](#functions).",
    ),
    Entry(
        "FUNCTION_NOT_FOUND",
        "There is no such function on the server.",
        "A typing error, or it was deployed to another account, region or server.",
        "`lambent fn ls` lists them; `lambent deploy` makes one.",
    ),
    Entry(
        "SERVER_UNREACHABLE",
        "Nothing answers at the endpoint.",
        "No server runs there, or a proxy or firewall is in between.",
        "`lambent status` says whether one runs here; `lambent up -d` starts one; "
        "`--endpoint-url URL` names another.",
    ),
    Entry(
        "ALREADY_RUNNING",
        "A server already uses this data directory.",
        "`lambent up` was started before.",
        "`lambent down`, or another `--data-dir` and `--port`.",
    ),
    Entry(
        "PORT_IN_USE",
        "Another program listens on the port.",
        "Another server, or a program that uses the same number.",
        "`lambent up --port 9001`, or stop what listens there (`ss -ltnp` names it).",
    ),
    Entry(
        "SERVER_FAILED",
        "The server ended while it was starting.",
        "`why` has the last line that it printed.",
        "Read the log named under `fix`, or what was printed above; codes in it are explained here.",
    ),
    Entry(
        "SERVER_SLOW",
        "The server was not ready in time.",
        "A very slow disk: pools of `/tmp` disks are made before it serves.",
        "Read the log named under `fix`; try again.",
    ),
    Entry(
        "STILL_RUNNING",
        "The server has not stopped yet.",
        "It waits for running calls, up to `drain_s`.",
        "Wait, or `lambent down --kill`.",
    ),
    Entry(
        "PROFILE_NOT_FOUND",
        "There is no such profile.",
        "`--profile` or `AWS_PROFILE` names one that `~/.aws` does not have.",
        "`aws configure list-profiles` lists them.",
    ),
    Entry(
        "REGION_MISSING",
        "No AWS region is set.",
        "AWS itself needs one; a local server does not.",
        "`--region eu-central-1`, or `AWS_DEFAULT_REGION`.",
    ),
    Entry(
        "CREDENTIALS_MISSING",
        "boto3 found no credentials.",
        "Neither variables nor a profile give any; only a server on loopback does without.",
        "`aws configure`, or `--profile NAME`.",
    ),
    Entry(
        "PARAMETER_INVALID",
        "boto3 refused a parameter before sending anything.",
        "A value has the wrong type, or a required one is missing.",
        "The message names the parameter.",
    ),
    Entry(
        "AWS_CLIENT",
        "boto3 failed in a way that has no code of its own.",
        "The message is boto3's.",
        "`--debug` shows where it came from.",
    ),
    Entry(
        "DEPLOY_FAILED",
        "The function did not become ready after the upload.",
        "`why` is the reason that the API gives.",
        "Mend what it says and deploy again; the alias still points to the version before.",
    ),
    Entry(
        "BUCKET_DENIED",
        "The bucket cannot be used for the package.",
        "It belongs to someone else, or these credentials may not use it.",
        "`--bucket NAME` with another name.",
    ),
    Entry(
        "SHELL_UNKNOWN",
        "There is no completion for this shell.",
        "None was named, and `SHELL` is not one of bash, zsh and fish.",
        "Name one: `lambent completion bash`.",
    ),
    Entry(
        "DOCTOR_FAILED",
        "`lambent doctor` could not finish its examination.",
        "Its process ended early; `why` has the last line that it printed.",
        "Run what `fix` names to see all of it, and please report it.",
    ),
    Entry(
        "DEV_NEEDS_SERVER",
        "`lambent dev` was asked to work on AWS.",
        "It brings every save live and follows the logs of a lambent server.",
        "Leave `--aws` out; `lambent deploy --aws` brings the project to AWS.",
    ),
    Entry(
        "SOURCE_SYNTAX",
        "`lambent dev` did not send a save: a file does not compile.",
        "A syntax error, for the function's own version of Python; the line and the place are shown.",
        "Mend it and save. The code before it stays live.",
    ),
    Entry(
        "SERVER_ENDED",
        "The server that `lambent dev` had started ended under it.",
        "It was stopped or killed from elsewhere, or failed.",
        "Read the log named under `fix`, then start `lambent dev` again.",
    ),
    Entry(
        "DEBUG_NEEDS_OWN_SERVER",
        "`lambent dev --debug` found a server that runs already.",
        "A debugger reaches functions only where they share the host's network and are not frozen "
        "while idle; `dev` starts its own server that way.",
        "`lambent down` first, or another `LAMBENT_DATA_DIR` and `--port`.",
    ),
    Entry(
        "DEBUG_UNSUPPORTED",
        "`--debug` is for Python functions.",
        "The function has another runtime.",
        "Leave `--debug` out, or name the Python functions: `lambent dev --debug NAME`.",
    ),
    Entry(
        "DEBUGPY_MISSING",
        "debugpy is not installed where `lambent dev` could take it from.",
        "It is copied into the function from the project's `.venv`, the active environment, or "
        "lambent's own.",
        "`pip install debugpy` in one of them.",
    ),
    Entry(
        "INTERNAL",
        "A defect of lambent.",
        "Something was raised that no rule foresaw.",
        "`--debug` shows where; please report it with that.",
    ),
)
