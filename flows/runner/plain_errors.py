"""Which errors are for people, in one line with a fix, and which are defects that need a traceback."""

from __future__ import annotations

import errno


def in_lines(error: BaseException) -> list[str]:
    """Return the messages for the user, each in one line; none if the error is a defect, whose traceback should be shown."""
    from prompts import PromptError
    from storage.errors import ForPeople

    if isinstance(error, ForPeople):
        return [" ".join(str(message).split()) for message in error.args or ("",)]
    if isinstance(error, PromptError):
        return [" ".join(str(error).split())]
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return [f"{where}{error.strerror}. Fix: {_fix(error)}"]
    return []


def _fix(error: OSError) -> str:
    fixes = {
        "ENOSPC": "free disk space, then run again (finished work is kept)",
        "EACCES": "make it readable and writable, or set MATHMILL_HOME to a folder that is",
        "EROFS": "set MATHMILL_HOME to a writable folder",
        "ENOENT": "check the path",
    }
    return fixes.get(errno.errorcode.get(error.errno or 0, ""), "check the path and the disk, then run again")
