"""The sandbox runs programs that a model wrote in isolation and returns one bounded Result per program.

    with Sandbox(Limits(wall_s=5.0, memory_mb=512), workers=2) as box:
        results = box.run(["print(6 * 7)", "ans = 1 / 0"])

It fails closed: if isolation is not available, SandboxUnavailable is raised, and `isolation()` says why and how to fix it.

It does not stop a program from lying about its own answer, since a program can print anything, and it does not protect
against a fault in the kernel itself.
"""

from tasks.sandbox.box import Sandbox
from tasks.sandbox.isolate import Isolation, SandboxUnavailable, isolation
from tasks.sandbox.verdict import Limits, Result, Status

__all__ = ["Isolation", "Limits", "Result", "Sandbox", "SandboxUnavailable", "Status", "isolation"]
