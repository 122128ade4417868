"""Finds the file that a document includes among the files of its folder, by the path that is written in the document."""

from __future__ import annotations

import posixpath
from collections.abc import Container


def resolved(written: str, within: str, known: Container[str], suffix: str = "") -> str | None:
    """Return the one of the known files that an included path names, None if none does.

    `known` has paths with `/` relative to the folder that the user named, `within` is the path of the including file. The path
    is looked up beside that file, then from each folder above, then by its name alone beside that file: parts of books are
    moved about without their folders. A path never leads out of `known`.
    """
    path = written.strip().replace("\\", "/")
    if not path or path.startswith("/") or ":" in path:
        return None
    names = [path] if not suffix or path.endswith(suffix) else [path + suffix, path]
    folder = posixpath.dirname(within)
    while True:
        for name in names:
            candidate = posixpath.normpath(posixpath.join(folder, name))
            if candidate in known:
                return candidate
        if not folder:
            break
        folder = posixpath.dirname(folder)
    beside = (posixpath.join(posixpath.dirname(within), posixpath.basename(name)) for name in names)
    return next((one for one in beside if one in known and one != within), None)
