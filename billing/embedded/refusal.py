"""The one refusal of the embedded server."""


class EmbeddedPostgresError(Exception):
    """The embedded server cannot do what was asked. Its text says what is wrong and what to do."""


class DataDirectoryInUse(EmbeddedPostgresError):
    """Another process owns the data directory; its server can be connected to."""
