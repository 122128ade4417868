"""The commit of the running code, for the lineage of versions."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


def code() -> dict[str, Any]:
    """Return the commit of the checkout, and whether files differ from it.

    The commit is "" outside of a checkout, as in a container.
    """
    root = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        process = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
        return process.stdout.strip() if process.returncode == 0 else ""

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except FileNotFoundError:
        return {"commit": "", "changed": False}
