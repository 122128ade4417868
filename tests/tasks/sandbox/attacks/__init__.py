"""Hostile programs and the statuses that they must get. None of them is executed outside a sandbox.

Each entry: the program, and the verdicts it may get, "ok:X" meaning ok with the answer X. Where a
program prints what it stole or did, it prints STOLEN, which no result may contain.
"""

from __future__ import annotations

import json

from attacks import answers, files, kernel, resources
from attacks.files import MARK

__all__ = ["ATTACKS", "BENIGN", "BENIGN_ANSWER", "MARK", "secrets_of"]

ATTACKS: dict[str, tuple[str, set[str]]] = {
    **resources.ATTACKS,
    **files.ATTACKS,
    **kernel.ATTACKS,
    **answers.ATTACKS,
}
BENIGN = (
    "import os\nfound = [os.stat(p) for p in ('/tmp', '/dev/shm')]\n"
    "print(sum(range(7)) * 2, os.listdir('/tmp'), os.listdir('/dev/shm'),"
    " [(s.st_mtime, s.st_atime, s.st_mode, s.st_nlink) for s in found])"
)
BENIGN_ANSWER = "42 [] [] [(0.0, 0.0, 16832, 2), (0.0, 0.0, 16832, 2)]"


def secrets_of(environment: dict[str, str]) -> list[str]:
    """What no result may contain: what an attack prints on success, and this process's secrets."""
    return ["STOLEN", json.dumps(environment["SANDBOX_TEST_SECRET"]).strip('"')]
