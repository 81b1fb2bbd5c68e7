"""Descriptors: each connection takes one, of the database too, and a process may only have so many."""

import resource

from billing.settings import Settings, SettingsError

OTHERS = 128  # files, pipes, the server's own, and what is opened for a moment


def require_descriptors(settings: Settings) -> None:
    """Lets this process and its workers have as many as the settings may come to. Raises SettingsError."""
    # Of the database's: those that post, read, do chores and wait for word.
    needed = settings.connections + settings.lanes + settings.read_connections + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SettingsError(
                f"A worker may need {needed} open files, {settings.connections} of them for connections, and may have {hard}: "
                "raise the limit (LimitNOFILE, ulimit -Hn), or lower BILLING_CONNECTIONS."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
