"""Everything but /tmp is read-only, with the error that Lambda gives."""

import errno
import os

for folder in ("/", "/var/task", "/var/lang", "/var/runtime", "/opt", "/etc", "/usr", "/usr/lib", "/bin",
               "/home/sbx_user1051", "/dev", "/run", "/root", "/srv", "/mnt", "/var/tmp", "/var",
               "/etc/ssl", "/home"):  # fmt: skip
    try:
        os.mkdir(f"{folder}/attack")
    except OSError as error:
        assert error.errno == errno.EROFS, (folder, error)
        continue
    raise SystemExit(f"{folder} was written")
for path in ("/etc/passwd", "/etc/resolv.conf", "/var/task/read_only.py", "/usr/bin/env"):
    for change in (
        lambda p: open(p, "a"),
        os.unlink,
        lambda p: os.chmod(p, 0o777),
        lambda p: os.utime(p),
    ):
        try:
            change(path)
        except OSError as error:
            assert error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}, (path, error)
            continue
        raise SystemExit(f"{path} was changed")
with open("/tmp/mine", "w") as file:
    file.write("fine")
assert open("/tmp/mine").read() == "fine"
