"""Hosts as operators have them: a user id that no file knows, a system that cannot be written to."""

from __future__ import annotations

import subprocess

UNKNOWN_USER = 12345  # as `docker run --user 12345` has it, and OpenShift
_READ_ONLY = """
for folder in / /dev/shm; do mount -o remount,bind,ro "$folder"; done
for folder in $1; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
shift
exec unshare --user --map-user={user} --map-group={user} "$@"
"""


def as_unknown_user(writable: str = "/dev/shm") -> tuple[str, ...]:
    """What goes before a command so that it runs as UNKNOWN_USER, without a home, where nothing but `writable`, folders
    with spaces between, can be written to. In namespaces of its own: nothing of this machine is changed.
    """
    script = _READ_ONLY.format(user=UNKNOWN_USER)
    command = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh", writable)
    nameless = ("env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", "-u", "TMPDIR")
    tried = subprocess.run([*command, *nameless, "id", "-u"], capture_output=True, text=True, check=False)
    assert tried.stdout.strip() == str(UNKNOWN_USER), (
        f"this machine permits no namespaces, which this test needs: {tried.stderr}\n"
        "(Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)"
    )
    return (*command, *nameless)
