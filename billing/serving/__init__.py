class NotServing(Exception):
    """The service cannot be, or cannot go on; the message says why, and what to do."""
