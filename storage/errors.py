"""Exceptions about stored data. Each message is one line and says how to fix the problem."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Sequence


class ForPeople(Exception):
    """An error that the user can fix. The terminal shows its message in one line, without a traceback; the exit code is 2.

    Several messages are several errors that were noticed at the same time: the terminal shows each in a line of its own.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


class StorageError(ForPeople, ValueError):
    """Base class of the errors that storage raises."""


class VersionNotFound(StorageError):
    """There is no dataset or version of that name."""


class Conflict(StorageError):
    """Another process published first, and nothing was published here. Check against its version and try again."""


class GateFailed(StorageError):
    """The rows did not pass the gates, and nothing was published (or promoted).

    `failures` has (gate, reason) pairs.
    """

    def __init__(self, name: str, failures: Sequence[tuple[str, str]], done: str = "published") -> None:
        self.failures = tuple(failures)
        reasons = "; ".join(f"{gate}: {reason}" for gate, reason in failures)
        super().__init__(f"{name} was not {done}, its rows did not pass: {reasons}")


class Corrupt(StorageError):
    """Stored bytes differ from what was written. `findings` has a line per damaged object."""

    def __init__(self, name: str, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            f"{name} is damaged: {'; '.join(findings)}. Fix: restore these files from a copy, or rebuild the version"
        )


_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@contextlib.contextmanager
def explained(where: str, elsewhere: str = "set MATHMILL_HOME elsewhere") -> Iterator[None]:
    """Raise StorageError, with a fix, if the disk under `where` is full or cannot be written to.

    pyarrow raises OSError with errno set. delta-rs raises that or its own errors, which have the system's message in the
    text only, so the text is searched too.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        text = str(error)
        if number in _DISK_FULL or any(
            words in text for words in ("No space left", "os error 28", "File too large", "quota exceeded")
        ):
            raise StorageError(
                f"the disk under {where} is full; nothing was changed. Fix: free space there or {elsewhere}"
            ) from error
        if number in _UNWRITABLE or any(
            words in text
            for words in ("Permission denied", "Read-only file system", "os error 13", "os error 30")
        ):
            raise StorageError(
                f"cannot write to {where} ({in_one_line(error)}). Fix: give this user write access or {elsewhere}"
            ) from error
        raise


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def in_one_line(error: BaseException, most: int = 300) -> str:
    """Return the message of an error without colours and line breaks, cut at `most` characters."""
    words = " ".join(_COLOURS.sub("", str(error)).split())
    return words[:most] or type(error).__name__
