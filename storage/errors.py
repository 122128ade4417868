"""What can go wrong with stored data, in one line each, with the mend."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Sequence


class ForPeople(Exception):
    """What a person can mend: told at the terminal in one line that ends in the mend, exit code 2, no traceback."""


class StorageError(ForPeople, ValueError):
    """Base of every error that storage raises."""


class VersionNotFound(StorageError):
    """No dataset or version of that name."""


class Conflict(StorageError):
    """Somebody published in between; nothing of ours was published. Re-check against theirs, try again."""


class GateFailed(StorageError):
    """The written rows did not pass; nothing was published (or promoted). `failures` pairs each gate with its reason."""

    def __init__(self, what: str, failures: Sequence[tuple[str, str]], done: str = "published") -> None:
        self.failures = tuple(failures)
        reasons = "; ".join(f"{gate}: {reason}" for gate, reason in failures)
        super().__init__(f"{what} was not {done}, its rows did not pass: {reasons}")


class Corrupt(StorageError):
    """Stored bytes are not what was written. `findings` has one line a damaged thing."""

    def __init__(self, what: str, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__(
            f"{what} is damaged: {'; '.join(findings)}. Fix: restore these files from a copy, or rebuild the version"
        )


_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@contextlib.contextmanager
def explained(where: str, elsewhere: str = "set MATHMILL_HOME elsewhere") -> Iterator[None]:
    """Turn the operating system's refusals while writing to `where` into lines with the mend.

    pyarrow raises OSError with errno set; delta-rs raises it, or its own errors, with the
    system's words in the text only, hence the look at the text.
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
    """An error's own words, colours and line breaks taken out, cut at `most` characters."""
    words = " ".join(_COLOURS.sub("", str(error)).split())
    return words[:most] or type(error).__name__
