"""The code that runs: its commit, for lineages."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


def code() -> dict[str, Any]:
    """The commit of the checkout, and whether files differ from it; no commit outside a checkout (a container)."""
    root = Path(__file__).resolve().parent.parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except FileNotFoundError:
        return {"commit": "", "changed": False}
