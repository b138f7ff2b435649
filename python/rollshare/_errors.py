"""Exceptions: one base, a subclass for each kind, a built-in beside it where one is natural."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._results import CheckResults


class RollshareError(Exception):
    """Base of everything that Rollshare raises.

    Attributes that are not known are ``None``.
    """

    #: The file, as it was named.
    file: str | None = None
    #: The column, by its name in the data.
    column: str | None = None
    #: The row group, from 0.
    row_group: int | None = None
    #: The data page within the column chunk, from 0.
    page: int | None = None
    #: The row within the file or frame, from 0.
    row: int | None = None
    #: What was found.
    found: str = ""
    #: What was expected instead.
    expected: str = ""
    #: What to do about it.
    advice: str = ""


class FormatError(RollshareError, ValueError):
    """A file breaks the parquet format, or a frame the Arrow C data interface."""


class UnsupportedError(RollshareError, NotImplementedError):
    """Valid, but not supported."""


class ArgumentError(RollshareError, ValueError):
    """An argument makes no sense."""


class FrameError(RollshareError, TypeError):
    """An object that is no data frame that can be read."""


class NotFoundError(RollshareError, FileNotFoundError):
    """A path that does not exist, or a folder without data."""


class DataError(RollshareError, ValueError):
    """The data breaks a rule of the job: a missing column, a wrong type, a label that is no week."""


class TooLargeError(RollshareError, OverflowError):
    """A sum, a table or a file is larger than what can be handled exactly."""


class BlockedError(RollshareError):
    """A check that blocks has failed or could not run, so nothing was published."""

    #: What was found: :class:`rollshare.RunResult` or :class:`rollshare.CheckResults`.
    results: CheckResults

    def __init__(self, message: str, results: CheckResults) -> None:
        super().__init__(message)
        self.results = results

    @property
    def exit_code(self) -> int:
        """4 where a check has failed, 5 where one could not run, as the program exits."""
        return 4 if self.results.verdict == "fail" else 5

    def __reduce__(self) -> tuple[type[BlockedError], tuple[str, CheckResults]]:
        return (BlockedError, (str(self), self.results))


class StorageError(RollshareError, OSError):
    """Reading or writing failed."""


class InternalError(RollshareError, RuntimeError):
    """A bug of Rollshare, caught at the boundary."""
