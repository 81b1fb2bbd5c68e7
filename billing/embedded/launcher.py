"""Becomes a PostgreSQL program that cannot outlive the process that asked for it.

Run as a script by an isolated interpreter: `launcher.py OWNER_PID UID GID PROGRAM ARGUMENT…`. Between fork
and exec the owner, which has threads, could not do this safely itself.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
ROOT_UID = 0


def main(owner_pid: int, uid: int, gid: int, command: list[str]) -> None:
    """Drop root's privileges, tie this process's life to the owner's, and exec `command`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == ROOT_UID:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Only now: a change of user clears the signal. SIGINT is PostgreSQL's fast shutdown.
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused PR_SET_PDEATHSIG")
    if os.getppid() != owner_pid:
        sys.exit("the owner died before its server was launched")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
