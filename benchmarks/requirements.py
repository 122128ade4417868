"""The packages that only benchmarks use: one line that says how to install them where they are missing."""

from __future__ import annotations

import importlib.util


def require(*packages: str) -> None:
    """Raise SystemExit with one line that names the packages that cannot be imported and the command that installs them."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise SystemExit(
            f"this benchmark needs {', '.join(missing)}. "
            "Fix: .venv/bin/python -m pip install -c constraints.txt -e '.[bench]'"
        )
