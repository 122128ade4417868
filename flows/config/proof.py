"""The configuration of the flow proof."""

from __future__ import annotations

from pydantic import Field

from tasks.settings import Section


class Proof(Section):
    """How much is proved, and where the page is written."""

    quick: bool = Field(
        False,
        description="two random seeds of a tiny student, in minutes: every part runs, but nothing is proved",
    )
    to: str = Field(
        "",
        description="page to write, with its plots beside it; empty: docs/proof.md, or proof/proof.md in the home if quick",
    )
    processes: int = Field(
        2, ge=1, description="how many random seeds run at the same time, each with one thread"
    )
