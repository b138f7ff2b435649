"""Exceptions: one base class and one subclass for each kind, which also derives from a built-in exception."""

from __future__ import annotations

from . import _rollshare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._results import CheckResults


class RollshareError(Exception):
    """Base of the exceptions of Rollshare.

    Unknown attributes are ``None`` or empty. The message and the attributes with words are escaped: one line,
    without control or bidirectional characters. ``file`` and ``column`` are as they are.
    """

    #: The file, as the user named it.
    file: str | None = None
    #: The name of the column in the data.
    column: str | None = None
    #: The row group, from 0.
    row_group: int | None = None
    #: The data page within the column chunk, from 0.
    page: int | None = None
    #: The row within the file or frame, from 0.
    row: int | None = None
    #: The line of a text file on which the row begins, from 1.
    line: int | None = None
    #: What was found.
    found: str = ""
    #: What was expected instead.
    expected: str = ""
    #: What to do.
    advice: str = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(_rollshare.escape_line(message))


class FormatError(RollshareError, ValueError):
    """A file breaks the parquet format, or a frame breaks the Arrow C data interface."""


class UnsupportedError(RollshareError, NotImplementedError):
    """The input is valid, but uses a feature that is not supported."""


class ArgumentError(RollshareError, ValueError):
    """An argument is invalid."""


class FrameError(RollshareError, TypeError):
    """The object is not a data frame that can be read."""


class NotFoundError(RollshareError, FileNotFoundError):
    """A path does not exist, or a folder has no data."""


class DataError(RollshareError, ValueError):
    """The data breaks a rule of the job: a missing column, a wrong type, a label that is not an ISO week."""


class TooLargeError(RollshareError, OverflowError):
    """A sum, a table or a file exceeds the size that can be handled exactly."""


class BlockedError(RollshareError):
    """A check that blocks has failed or could not run, so nothing was published."""

    #: The check results: :class:`rollshare.RunResult` or :class:`rollshare.CheckResults`.
    results: CheckResults

    def __init__(self, message: str, results: CheckResults) -> None:
        super().__init__(message)
        self.results = results

    @property
    def exit_code(self) -> int:
        """The exit code of the program: 4 where a check has failed, 5 where a check could not run."""
        return 4 if self.results.verdict == "fail" else 5

    def __reduce__(self) -> tuple[type[BlockedError], tuple[str, CheckResults]]:
        return (BlockedError, (str(self), self.results))


class StorageError(RollshareError, OSError):
    """Reading or writing failed."""


class InternalError(RollshareError, RuntimeError):
    """A bug in Rollshare, detected at run time."""
