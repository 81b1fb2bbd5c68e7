"""The operating system's user under which PostgreSQL runs: ourselves, or for root somebody humbler."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from billing.embedded.refusal import EmbeddedPostgresError

ROOT_UID = 0
HUMBLER_THAN_ROOT = ("postgres", "nobody")


@dataclass(frozen=True)
class UnixUser:
    """A user that is not root, with its primary group. PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    @property
    def is_ourselves(self) -> bool:
        return self.uid == os.geteuid()

    def may_enter(self, directory: Path) -> bool:
        """Whether the account may pass through `directory` and each directory above it."""
        return all(self._may_search(step) for step in (directory, *directory.parents))

    def _may_search(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def account_for(cluster: Path) -> UnixUser:
    """Choose the user for the server of `cluster`.

    Root keeps the user that owns an existing cluster: a package that adds `postgres` must not lock us out.
    Raises EmbeddedPostgresError if the cluster is another user's, or root finds nobody to run it.
    """
    owner_uid = cluster.stat().st_uid if cluster.exists() else None
    our_uid = os.geteuid()
    if our_uid != ROOT_UID:
        if owner_uid is not None and owner_uid != our_uid:
            raise EmbeddedPostgresError(
                f"{cluster} belongs to user {_name_of(owner_uid)}, and we run as {_name_of(our_uid)}; "
                "start as that user, or choose another data directory."
            )
        return UnixUser(_name_of(our_uid), our_uid, os.getegid())
    if owner_uid:
        return UnixUser(_name_of(owner_uid), owner_uid, cluster.stat().st_gid)
    for name in HUMBLER_THAN_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return UnixUser(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root and there is no user 'postgres' or 'nobody' to run it; "
        "start as an ordinary user, or set DATABASE_URL."
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
