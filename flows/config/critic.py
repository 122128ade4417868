"""The configurations of the flows that train and evaluate critics."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from tasks.settings import Section, Share


def _shared_last(schema: dict[str, Any]) -> None:
    """Order a form: what is read, what the flow has for itself, and then what both flows have."""
    properties = schema["properties"]
    shared = {name: properties.pop(name) for name in ("sure", "samples", "page", "seed")}
    read = {name: properties.pop(name) for name in ("files", "versions")}
    schema["properties"] = read | properties | shared


class LabelledInput(Section):
    """What both commands read: labelled solutions, of files or of versions. `golden` and `teacher` are what one of them reads besides."""

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = (("files", "versions"),)
    model_config = ConfigDict(json_schema_extra=_shared_last)

    files: list[str] = Field([], description="files of labelled solutions; needed if nothing else is read")
    versions: list[str] = Field(
        [], description="dataset versions whose solutions are labelled by what is known of them"
    )
    sure: float = Field(
        0.95,
        gt=0.5,
        le=1,
        description="probability of being right from which on the votes label a solution of a version",
    )
    samples: list[str] = Field(
        [], description="files with further solutions of the questions, whose answers may agree"
    )
    page: str = Field("", description="file that the report is written to besides")
    seed: int = Field(0, description="of the bootstrap")

    @property
    def golden(self) -> list[str]:
        """The versions of which the solutions that people judged are read."""
        return []

    @property
    def teacher(self) -> str:
        """The strong model that labels what nothing else labels, "" for none."""
        return ""


class TrainCritic(LabelledInput):
    """Labelled solutions, of files or of versions, train a critic, and those of other questions report on it. The same files and settings give the same critic."""

    files: list[str] = Field(
        [],
        description="files of labelled solutions: question and solution or steps, with whether it is right and, where known, the first "
        "wrong step; needed if no versions are named",
    )
    versions: list[str] = Field(
        [],
        description="dataset versions whose kept and dropped solutions are labelled by what is known of them: judgements of people, trusted "
        "answers, sure votes; a dataset's name alone is its newest version",
    )
    judged: Literal["hidden", "learned"] = Field(
        "hidden",
        description="questions of solutions of versions that people judged: hidden from the training, so that they report on the critic and are "
        "the hidden gold set of `critic evaluate --judgements`, or learned",
    )
    strong: str = Field(
        "",
        description="strong model that answers the questions and scores the solutions, whose calls cost: a role, such as teacher, or hf: and a "
        "folder; it labels the solutions of versions that nothing else labels; empty: none",
    )
    kind: str = Field(
        "trees",
        description="kind of critic: a file of tasks/critics/kinds/ that is trained, - or _ between its words",
    )
    own: dict[str, Any] = Field({}, description="settings of that kind, such as rounds: 300 of trees")
    name: str = Field(
        "",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$",
        description="name of the critic's folder below critics in the home; empty: from its digest",
    )
    report_share: Share = Field(
        0.3,
        description="share of the questions that are not trained on and report on the critic; 0: no report",
    )
    planted: Share = Field(
        0.0,
        description="share of the right solutions of the training questions that get an error of known kind and place, as further wrong ones",
    )
    gain: bool = Field(
        False,
        description="train the same critic without planted errors too, and report what they gain; takes twice as long",
    )
    encoder: str = Field(
        "", description="encoder of the steps; empty: that of the settings (MATHMILL_ENCODER)"
    )
    held_out: float = Field(
        0.2, gt=0, lt=1, description="share of the training questions that calibrate the probabilities"
    )
    precision: float = Field(
        0.9, gt=0.5, lt=1, description="precision of the solutions that the critic's strict threshold accepts"
    )
    given_up: Share | None = Field(
        None,
        description="how far F1 may fall below its highest value on the calibrating questions, so that more first wrong steps are named and more "
        "right solutions blamed; the report has a table of both; empty: one standard error of F1",
    )
    page: str = Field("", description="file that the report is written to besides, such as docs/critic.md")
    seed: int = Field(0, description="same seed, same split, same critic")

    @property
    def teacher(self) -> str:
        return self.strong


class EvaluateCritic(LabelledInput):
    """A critic judges labelled solutions; baselines stand beside."""

    needed: ClassVar[tuple[str | tuple[str, ...], ...]] = (("files", "versions", "judgements"),)
    judgements: list[str] = Field(
        [],
        description="dataset versions of which the solutions that people judged are the labelled ones, and no others",
    )
    critic: str = Field(
        "",
        description="folder of a trained critic, its name below critics in the home, or a kind that needs no training (steps, "
        "prompted, whose calls cost); empty: the step checker",
    )

    beside: list[str] = Field(
        [],
        description="further critics, named as the critic is, whose figures on the same questions stand beside; a question that one of them has "
        "seen is left out for all",
    )

    @property
    def golden(self) -> list[str]:
        return self.judgements
