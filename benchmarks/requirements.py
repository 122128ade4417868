"""Check for the packages that only benchmarks use, and name the command that installs them."""

from __future__ import annotations

import importlib.util


def require(*packages: str) -> None:
    """Raise SystemExit, with one line that names the missing packages and the command that installs them, if any is missing."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise SystemExit(
            f"this benchmark needs {', '.join(missing)}. "
            "Fix: .venv/bin/python -m pip install -c constraints.txt -e '.[bench]'"
        )
