"""The configuration of the flow promote."""

from __future__ import annotations

from pydantic import Field

from tasks.settings import Section


class Promote(Section):
    """A version gets a tag if it passes the gates of the tag. Where the gate `review` asks for judgements, the run pauses for them."""

    version: str = Field(
        "math-sft", description="version to promote, such as math-sft or math-sft@2026.11.20"
    )
    tag: str = Field("production", description="candidate, validated, production, or a tag of gates.yaml")
    wait_hours: float = Field(
        168.0, ge=0, description="hours that the run waits for the queue of reviewers; 0: it does not wait"
    )
