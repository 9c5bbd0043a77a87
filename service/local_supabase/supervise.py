"""Run one program that ends with the process that started it, however that process ends.

    python -m local_supabase.supervise [--owns PATH ...] [--passes DIRECTORY ...] \
        [--keep-account] -- PROGRAM [ARGUMENT ...]

Standard input is a socket whose other end the parent holds. The program's process id is written
to it, as a line. When the parent closes it or ends, the program gets SIGINT (for Postgres: a fast
shutdown) and, five seconds later, SIGKILL. On Linux the kernel kills the program when this process
is killed; elsewhere the parent sees the socket close and ends the program by its id. The exit code
is the program's own.

Postgres refuses to serve root. A root user's program therefore runs in a user namespace where it
is not root, or, where those are not allowed (in most containers), as the account `nobody`, which
is then given the paths named with `--owns` and, without what is in them, the directories named
with `--passes`. With `--keep-account` it runs as whoever started it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_UNPRIVILEGED_ID = 1000
_GRACE_SECONDS = 5


def main() -> int:
    """Run the program named on the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="supervise")
    parser.add_argument("--owns", action="append", default=[], type=Path)
    parser.add_argument("--passes", action="append", default=[], type=Path)
    parser.add_argument("--keep-account", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, not the terminal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.geteuid() == 0 and not options.keep_account:
        stop_being_root(options.owns, options.passes, Path(options.command[0]))
    process = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        preexec_fn=_bind_to(os.getpid()),  # noqa: PLW1509  no thread runs yet
        start_new_session=True,
    )
    os.write(sys.stdin.fileno(), f"{process.pid}\n".encode())
    threading.Thread(target=_end_with_parent, args=(process,), daemon=True).start()
    return process.wait()


def stop_being_root(owned: list[Path], passed: list[Path], program: Path) -> None:
    """Become an account that is not root, but can reach the program and what it works on.

    Args:
        owned: paths that it is to own, with all that is in them.
        passed: directories that it is to own without what is in them; nobody else enters them.
        program: what it is to run.

    Raises SystemExit with a sentence where that is not possible.
    """
    uid, gid = os.geteuid(), os.getegid()
    for path in owned:
        _hand_over(path, uid, gid)
    for path in passed:
        os.chown(path, uid, gid)
    if sys.platform == "linux" and ctypes.CDLL(None).unshare(_CLONE_NEWUSER) == 0:
        _map_identity(uid, gid)
        return
    account = pwd.getpwnam("nobody")
    for path in owned:
        _hand_over(path, account.pw_uid, account.pw_gid)
    for path in passed:
        os.chown(path, account.pw_uid, account.pw_gid)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    for path in [program, *owned]:
        if not os.access(path, os.R_OK | os.X_OK if path == program else os.R_OK):
            sys.exit(
                f"Postgres refuses to run as root, and the account nobody cannot reach {path}: "
                "run this as an ordinary user, or keep project and data outside root's home."
            )


def _map_identity(uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_UNPRIVILEGED_ID} {uid} 1"),
        ("gid_map", f"{_UNPRIVILEGED_ID} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123  one write, no buffering
            file.write(text)


def _hand_over(path: Path, uid: int, gid: int) -> None:
    if not path.exists() or path.stat().st_uid == uid:
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, uid, gid, follow_symlinks=False)
    os.chown(path, uid, gid)  # last, so that an interrupted change is taken up again


def _bind_to(supervisor: int) -> Callable[[], None]:
    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != supervisor:
                os._exit(1)

    return prepare


def _end_with_parent(process: subprocess.Popen[bytes]) -> None:
    try:
        while os.read(sys.stdin.fileno(), 1024):
            pass
    except ConnectionResetError:
        pass
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main())
