"""The one refusal of the embedded server."""


class EmbeddedPostgresError(Exception):
    """The embedded server cannot do what was asked. Its text is one or two sentences: what is wrong, what to
    do.
    """
