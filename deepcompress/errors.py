"""The exceptions that deepcompress adds to Python's own."""


class CorruptFileError(ValueError):
    """The bytes are not an intact `.dcz` file, or not one of another tool.

    Raised for a file that is empty, truncated, altered, made by another program,
    or written by a newer version of the format. No weight has been handed out
    from the damaged part.

    Example:

    >>> import deepcompress as dc
    >>> try:
    ...     dc.read(b"something else")
    ... except dc.CorruptFileError as error:
    ...     print(error)
    The data: this is not a .dcz file (its first bytes differ).
    """
