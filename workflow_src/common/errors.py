"""The one error that is the user's to fix, so that it can be shown without a traceback."""


class InputError(ValueError):
    """Bad input: the message names the file or key, what was found, and the remedy."""
