"""The exceptions that deepcompress adds to Python's own."""


class CorruptFileError(ValueError):
    """The bytes are not an intact `.dcz` file, or not one of another tool.

    Raised for a file that is empty, truncated, altered, made by another program,
    or written by a newer version of the format. No weight has been handed out
    from the damaged part.

    Args:
        message: What is wrong.
        rule: The name of the rule that is broken. Defaults to `None`.
        offset: The byte of the file. Defaults to `None`.

    Attributes:
        rule: The name of the rule of the format that a `.dcz` file breaks, such as
            `"checksum-of-section"`; the page on the file format lists them. `None` for
            files of other tools.
        offset: The byte of the file where that shows, or where what is broken begins;
            `None` where it is not known.

    Example:

    >>> import deepcompress as dc
    >>> try:
    ...     dc.read(b"something else")
    ... except dc.CorruptFileError as error:
    ...     print(error, error.rule, error.offset)
    The data, byte 0: this is not a .dcz file (its first bytes differ). magic 0
    """

    def __init__(
        self, message: str = "", rule: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        self.rule = rule
        self.offset = offset
