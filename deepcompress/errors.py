"""The exceptions that deepcompress adds to Python's own."""


class CorruptFileError(ValueError):
    """The bytes are not an intact `.dcz` file.

    Raised for a file that is empty, truncated, altered, made by another program,
    or written by a newer version of the format. No weight has been handed out
    from the damaged part.
    """
