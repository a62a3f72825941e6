"""What the verbs of the command line raise, and what boto3 tells them."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
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
        "VERSION_NOT_FOUND",
        "The function has no such version.",
        "It was never published, or has been deleted.",
        "`why` names the newest there are.",
    ),
    Entry(
        "ALIAS_NOT_FOUND",
        "The function has no such alias.",
        "A typing error, or nothing was deployed under it yet.",
        "`lambent alias ls FUNCTION` lists them; `lambent alias set FUNCTION NAME VERSION` makes one.",
    ),
    Entry(
        "NOTHING_TO_ROLL_BACK",
        "There is no version before the one that the alias is on.",
        "It is the oldest, or the older ones have been deleted.",
        "`lambent deploy`, or `lambent rollback FUNCTION --to VERSION`.",
    ),
    Entry(
        "NEEDS_YES",
        "Something would be deleted, and nobody can be asked.",
        "There is no terminal to ask on.",
        "Give the same command with `-y`.",
    ),
    Entry(
        "PATTERN_INVALID",
        "`--grep` is not a regular expression.",
        "A bracket is not closed, or a sign that means something stands alone.",
        "A backslash before each of `. * + ? ( ) [ ] { }` that means itself.",
    ),
    Entry(
        "REQUEST_ID_INVALID",
        "That is not a request id.",
        "It takes the UUID of a START or REPORT line, or its first eight digits.",
        "`lambent logs FUNCTION` shows them.",
    ),
    Entry(
        "ANSWER_NOT_HTTP",
        "The function's answer cannot be made an HTTP response.",
        "Over HTTP it must be an object with `statusCode`, `headers` and `body`.",
        'Return `{"statusCode": 200, "headers": {}, "body": "…"}`.',
    ),
    Entry(
        "CONNECTION_LOST",
        "The server went away in the middle of an answer.",
        "It was stopped or killed, or a proxy cut the connection.",
        "`lambent status`, then the same command again.",
    ),
    Entry(
        "SERVER_REFUSED",
        "The server answered with an HTTP error that has no code of AWS's.",
        "`why` has the status: often another program listens at the endpoint.",
        "Check `--endpoint-url`.",
    ),
    Entry(
        "ACCESS_DENIED",
        "The server refused these credentials.",
        'It runs with `auth = "sigv4"`, and the key is not among its `auth_keys` or the secret is wrong.',
        "`--profile NAME` with a key that it knows.",
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
        "INTERNAL",
        "A defect of lambent.",
        "Something was raised that no rule foresaw.",
        "`--debug` shows where; please report it with that.",
    ),
)
