"""The verdicts of a comparison of two answers, in a module of its own because all comparing modules import it."""

from __future__ import annotations

from typing import Literal

# "unknown" is no evidence against an answer: it could not be read, or not be compared within the limits
Judgement = Literal["equal", "different", "unknown"]
