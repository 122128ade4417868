"""Programs written by a model, run in isolation: hostile code in, one bounded Result a program out.

    with Sandbox(Limits(wall_s=5.0, memory_mb=512), workers=2) as box:
        results = box.run(["print(6 * 7)", "ans = 1 / 0"])

Fails closed: SandboxUnavailable where isolation cannot be had; `isolation()` says why and the mend.

What it does not do: it does not stop a program from lying about its own answer (a program can
print what it likes), and it is no defence against a fault in the kernel itself.
"""

from tasks.sandbox.box import Sandbox
from tasks.sandbox.isolate import Isolation, SandboxUnavailable, isolation
from tasks.sandbox.verdict import Limits, Result, Verdict

__all__ = ["Isolation", "Limits", "Result", "Sandbox", "SandboxUnavailable", "Verdict", "isolation"]
