"""Why a server does not start, and what its sandboxes cannot do."""

from __future__ import annotations

from typing import Final

from lambent.problems.entry import Entry

ENTRIES: Final = (
    Entry(
        "SETTING_UNKNOWN",
        "There is no such setting.",
        "A typing error in a flag, the user file or a `LAMBENT_*` variable.",
        "[Configuration](configuration.md) lists them all.",
    ),
    Entry(
        "SETTING_INVALID",
        "A setting has a value that it cannot have.",
        "The wrong type, or not one of its choices; the message says where it came from.",
        "[Configuration](configuration.md) says what each takes.",
    ),
    Entry(
        "SETTING_NOT_OF_PROJECT",
        "A project file decides something that is not its own.",
        "`Metadata: lambent: settings` names who may call, what isolates functions, or where data "
        "and keys lie: the owner's of the machine.",
        "Set it in the user file, as `LAMBENT_*`, or as a flag; take it out of `template.yaml`.",
    ),
    Entry(
        "CONFIG_FILE_INVALID",
        "The user file is not TOML.",
        "A syntax error; the message has its place.",
        "Mend it. `~/.config/lambent/config.toml` holds `name = value` lines.",
    ),
    Entry(
        "AUTH_REQUIRED",
        "The server will not listen beyond loopback without checking signatures.",
        'With `auth = "any"` everyone who reaches it could run code.',
        '`auth = "sigv4"` with `auth_keys`, or keep `host = "127.0.0.1"`. '
        "See [Security](security.md#running-exposed).",
    ),
    Entry(
        "AUTH_KEYS_MISSING",
        '`auth = "sigv4"` has no key to verify with.',
        "`auth_keys` is empty, and there is no `iam_file`.",
        'In the user file: `[auth_keys]` and a line `AKIAEXAMPLE = "secret"`.',
    ),
    Entry(
        "IAM_FILE_INVALID",
        "The file of users, roles and policies cannot be used.",
        "It is not there, not JSON, YAML or TOML by its ending, or a policy in it has a mistake; the "
        "message says which. A file with a mistake is refused whole.",
        "Mend it; [IAM](iam.md) shows a whole file.",
    ),
    Entry(
        "OTLP_NOT_INSTALLED",
        "Traces cannot be sent to a collector.",
        "`otlp_endpoint` is set, and the package that writes OTLP is not installed.",
        "`pip install 'lambent[otel]'`, or leave `otlp_endpoint` out.",
    ),
    Entry(
        "STORE_KEY_WRONG",
        "The database was encrypted with another key.",
        "`keys/store` of the data directory was lost, replaced, or not copied with the database.",
        "Put the right file back. Without it the functions' configurations cannot be read.",
    ),
    Entry(
        "TLS_INCOMPLETE",
        "Only one of `tls_cert` and `tls_key` is set.",
        "A certificate is of no use without its key.",
        "Set both, or neither.",
    ),
    Entry(
        "TLS_UNUSABLE",
        "The certificate and key cannot be used.",
        "A file is missing, not PEM, encrypted, or they do not belong together.",
        "Give the PEM chain and its unencrypted private key.",
    ),
    Entry(
        "CANNOT_LISTEN",
        "The server cannot listen on its address.",
        "The port is taken or needs privileges, or the address is not this machine's.",
        "Another `--port` or `--host`.",
    ),
    Entry(
        "DATA_DIR_IN_USE",
        "Another server uses the data directory.",
        "One server owns a data directory at a time.",
        "`lambent down`, or another `--data-dir`.",
    ),
    Entry(
        "SCHEMA_TOO_NEW",
        "The data directory was written by a newer lambent.",
        "Its database has a schema that this version does not know.",
        "Use that version again, or another `--data-dir`.",
    ),
    Entry(
        "STORE_UNUSABLE",
        "The database in the data directory cannot be used.",
        "It is not SQLite's any more, damaged, or cannot be opened.",
        "Put back a copy of the data directory, or start with another `--data-dir`.",
    ),
    Entry(
        "PRICES_INVALID",
        "A price list cannot be used.",
        "It cannot be read, lacks a price, or has one that is not dollars as text.",
        'The message names what is missing; prices read like `"0.20"`.',
    ),
    Entry(
        "INSTALLATION_BROKEN",
        "A part of lambent's own installation is missing.",
        "botocore's model of Lambda, or a library that functions are given, is not there or has "
        "another form.",
        "Install lambent again, into an environment of its own.",
    ),
    Entry(
        "SANDBOX_UNAVAILABLE",
        "Sandboxes cannot be made.",
        "The kernel, AppArmor or the surrounding container forbids user namespaces or a mount; the "
        "message says which step failed.",
        "The `fix` line names the command. `lambent up --sandbox process` runs without isolation.",
    ),
    Entry(
        "SNAPSHOT_GONE",
        "The snapshot of a version ended while an environment was being restored from it.",
        "Its template process was killed, its version was replaced or deleted at that moment, or the "
        "kernel ran out of memory.",
        "Invoke again: the snapshot is made anew. If it repeats, the server's log says what ended it.",
    ),
    Entry(
        "SNAPSHOT_FORK_FAILED",
        "An environment could not be restored from its version's snapshot.",
        "The machine refused a process or memory; the message has the kernel's reason.",
        "Free memory or processes. `lambent doctor` shows the limits.",
    ),
    Entry(
        "SANDBOX_UNSAFE",
        "A restored environment was not confined as it must be, and was ended.",
        "Code that the function ran in Init tampered with the runtime's own modules.",
        "Take that out of the function, or publish it without SnapStart.",
    ),
    Entry(
        "SANDBOX_GONE",
        "The sandbox ended while it was needed.",
        "Its first process was killed, or the spawner was; both come back with the next call.",
        "Invoke again. If it repeats, the server's log says what ended it.",
    ),
    Entry(
        "SANDBOX_EXISTS",
        "Two environments would have had the same id.",
        "A defect: ids are random.",
        "Invoke again, and report it.",
    ),
    Entry(
        "SANDBOX_CANNOT_MOUNT",
        "A function has a file system, and this machine does not isolate functions.",
        "FileSystemConfigs are bind mounts, which need a mount namespace of the function's own.",
        "`lambent doctor` says what isolation is missing; or take FileSystemConfigs off.",
    ),
    Entry(
        "SANDBOX_STUCK",
        "Processes of a sandbox did not end when killed.",
        "They wait in the kernel, for example for a disk that does not answer.",
        "Look for processes in state D (`ps -eo pid,stat,wchan,args`); the next start cleans up.",
    ),
    Entry(
        "SANDBOX_REQUEST_TOO_LARGE",
        "Arguments and environment of a process do not fit into a message.",
        "The environment variables are far larger than Lambda's 4 KB.",
        "Make them smaller.",
    ),
    Entry(
        "NO_HOST_ID",
        "Every host user id that is set aside for functions is taken.",
        "More functions have run since the start than there are ids.",
        "Restart the server; give it a larger range in `/etc/subuid` where it runs in a container.",
    ),
    Entry(
        "NO_EGRESS",
        "Functions cannot be given a network.",
        '`network = "nat"` needs root with nftables, or pasta, and a free private address range.',
        "The `fix` line says what is missing; `--network none` does without.",
    ),
    Entry(
        "NO_MKFS",
        "`/tmp` cannot be a disk of its own.",
        "`mkfs.ext4` is not installed, or failed.",
        "Install e2fsprogs.",
    ),
    Entry(
        "TMPDISK_FAILED",
        "A `/tmp` disk could not be made.",
        "No loop device is free, or the data directory's disk is full.",
        "Free space, or allow more loop devices (`modprobe loop max_loop=256`).",
    ),
    Entry(
        "CGROUP_FAILED",
        "A control group could not be made.",
        "The machine has as many as it takes, or the hierarchy is not writable.",
        "End what leaves groups behind (`/proc/cgroups` counts them), or restart the machine.",
    ),
)
