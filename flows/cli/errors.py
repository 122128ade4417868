"""Errors that the user can fix: one line at the terminal and exit code 2, without a traceback."""

from __future__ import annotations

import errno

from prompts import PromptError
from storage.errors import ForPeople


def in_one_line(error: BaseException) -> str | None:
    """Return the message for the user, or None if the error is a defect, whose traceback should be shown."""
    if isinstance(error, (ForPeople, PromptError)):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}. Fix: {_fix(error)}"
    return None


def _fix(error: OSError) -> str:
    fixes = {
        "ENOSPC": "free disk space, then run again (finished work is kept)",
        "EACCES": "make it readable and writable, or set MATHMILL_HOME to a folder that is",
        "EROFS": "set MATHMILL_HOME to a writable folder",
        "ENOENT": "check the path",
    }
    return fixes.get(errno.errorcode.get(error.errno or 0, ""), "check the path and the disk, then run again")
