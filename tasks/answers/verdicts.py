"""What a judge can say of two answers."""

from __future__ import annotations

from typing import Literal

# "unknown" is no evidence against an answer: it could not be read, or not compared within the limits
Verdict = Literal["equal", "different", "unknown"]
