"""The commands that write rows for training: `export` into a folder, `push` to a data set repository of the Hugging Face hub."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, Name
from flows.cli.terminal import print_json
from storage.counting import counted

if TYPE_CHECKING:
    from storage.datasets.export import FileKind
    from storage.datasets.store import Store
    from storage.datasets.versions import Version


class Format(StrEnum):
    """Shapes in which rows are exported, by the names that TRL uses."""

    messages = "messages"
    prompt_completion = "prompt-completion"
    prompt_only = "prompt-only"
    preference = "preference"
    unpaired_preference = "unpaired-preference"
    step_preference = "step-preference"
    stepwise_supervision = "stepwise-supervision"
    parquet = "parquet"
    packed = "packed"
    verl = "verl"
    nemo_gym = "nemo-gym"
    verifiers = "verifiers"
    trl_grpo = "trl-grpo"


class FileFormat(StrEnum):
    """Kinds of exported files."""

    jsonl = "jsonl"
    parquet = "parquet"
    csv = "csv"


ENVIRONMENTS = ("verl", "nemo-gym", "verifiers", "trl-grpo")


class Thinking(StrEnum):
    """How the thinking of reasoning models is exported."""

    field = "field"
    inline = "inline"
    none = "none"


FormatOption = Annotated[
    Format,
    typer.Option(
        help="Shape of the rows, by its name in TRL; parquet keeps every column; packed is blocks of token ids for train --method cpt; verl, nemo-gym, verifiers and trl-grpo are environments with the verifier."
    ),
]
ReasoningOption = Annotated[
    Thinking,
    typer.Option(
        help="How thinking is written: as a field (reasoning_content), inline in <think> tags, or not at all."
    ),
]
FilesOption = Annotated[
    FileFormat | None,
    typer.Option(help="Kind of the files; by default parquet for --format parquet, else jsonl."),
]
WhereOption = Annotated[
    str,
    typer.Option(
        metavar="SQL", help="Rows that are written, as a condition on the columns: \"language = 'en'\"."
    ),
]
ColumnsOption = Annotated[
    str,
    typer.Option(
        metavar="NAMES", help="Further columns of the rows that each record gets: subdomain,source."
    ),
]
TestOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=0.9,
        help="Share of the problems that become the split test, decontaminated against the others.",
    ),
]
Tokenizer = Annotated[
    str, typer.Option(help="Folder or name of the tokenizer; packed: of the model that is trained.")
]
Length = Annotated[int, typer.Option(min=16, help="Most tokens of a block; packed.")]
Window = Annotated[
    int, typer.Option(min=1, help="Tokens that are packed together, which bounds the memory; packed.")
]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is exported and how. `test` is the share of the problems in the split test."""

    format: Format
    reasoning: Thinking = Thinking.field
    files: FileFormat | None = None
    where: str = ""
    columns: str = ""
    test: float = 0.0

    def check(self) -> None:
        """Raise ConfigError for an option that the format has no use for."""
        from flows.config.loading import ConfigError

        given = {
            "--reasoning": self.reasoning is not Thinking.field,
            "--files": self.files is not None,
            "--where": bool(self.where),
            "--columns": bool(self.columns),
            "--test": bool(self.test),
        }
        without: tuple[str, ...] = ()
        if self.format is Format.packed:
            without = tuple(given)
        elif self.format.value in ENVIRONMENTS:
            without = ("--reasoning",)
        for option in without:
            if given[option]:
                raise ConfigError(f"--format {self.format.value} knows no {option}. Fix: leave it out")

    def write(self, store: Store, version: Version, directory: Path, address: str = "") -> str:
        """Write the version into a folder, and return what that is, such as "20 rows as messages"."""
        from flows.settings import load_settings
        from tasks.splits import split_by_problem

        settings = load_settings()
        files: FileKind | None = self.files.value if self.files else None
        where = self.where or None
        columns = [name.strip() for name in self.columns.split(",") if name.strip()]
        tested = split_by_problem(self.test) if self.test else None
        if self.format.value in ENVIRONMENTS:
            from tasks.environments.export import export_environment

            count = export_environment(
                store,
                version,
                directory,
                self.format.value,
                overlay=settings.overlay(),
                files=files,
                where=where,
                columns=columns,
                tested=tested,
                address=address,
                by=settings.signer(),
            )
            return f"{counted(count, 'question')} as an environment of {self.format.value}"
        from storage.datasets.export import RecordCounts
        from storage.datasets.export import export as write
        from tasks.answers import Judge

        counts = RecordCounts()
        with Judge(workers=settings.answer_workers) as judge:
            rows = write(
                store,
                version,
                directory,
                format=self.format.value,
                compare=judge.equal,
                reasoning=self.reasoning.value,
                files=files,
                where=where,
                columns=columns,
                tested=tested,
                address=address,
                by=settings.signer(),
                counts=counts,
            )
        if why := str(counts):
            return f"{counted(rows, 'record')} as {self.format.value} ({why})"
        return f"{counted(rows, 'row')} as {self.format.value}"


def export(
    name: Name,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    format: FormatOption = Format.messages,
    reasoning: ReasoningOption = Thinking.field,
    files: FilesOption = None,
    where: WhereOption = "",
    columns: ColumnsOption = "",
    test: TestOption = 0.0,
    tokenizer: Tokenizer = "",
    length: Length = 2048,
    window: Window = 1 << 22,
) -> None:
    """Write the rows of a version to files for training, with a dataset card."""
    shape = ExportOptions(format, reasoning, files, where, columns, test)
    shape.check()
    if format is Format.packed:
        _export_packed(name, directory, tokenizer, length, window)
        return
    from storage.datasets.shapes import has_thinking

    store = _store()
    version = store.resolve(name)
    typer.echo(f"{version}: {shape.write(store, version, directory)} in {directory}")
    if reasoning is Thinking.inline and not has_thinking(store, version):
        typer.echo(f"No row of {version} has thinking, so --reasoning inline changes nothing", err=True)


def push(
    name: Name,
    repository: Annotated[
        str,
        typer.Argument(metavar="OWNER/NAME", help="A data set repository; it is created if it is missing."),
    ],
    format: FormatOption = Format.messages,
    reasoning: ReasoningOption = Thinking.field,
    files: FilesOption = None,
    where: WhereOption = "",
    columns: ColumnsOption = "",
    test: TestOption = 0.0,
    public: Annotated[
        bool, typer.Option("--public", help="Create or update a repository that everybody can read.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Export a version and upload it to a data set repository of the Hugging Face hub, private unless --public.

    The token is that of MATHMILL_HUB_TOKEN, else of huggingface_hub (HF_TOKEN, or `hf auth login`). All files are one commit, tagged with
    the version's name. The same command continues an upload that was interrupted, and does nothing if everything is there.
    """
    from flows.config.loading import ConfigError
    from flows.settings import load_settings
    from tasks.hub import Hub, staged

    shape = ExportOptions(format, reasoning, files, where, columns, test)
    shape.check()
    if format is Format.packed:
        raise ConfigError("--format packed is for `mathmill train` here. Fix: choose another format")
    settings = load_settings()
    token = settings.hub_token.get_secret_value() if settings.hub_token else ""
    hub = Hub(repository, token, public=public)
    store = _store()
    version = store.resolve(name)
    hub.check()
    with staged(settings.home.absolute(), version, hub.address, asdict(shape)) as folder:
        if not folder.exists():
            shape.write(store, version, folder, hub.address)
        pushed = hub.upload(folder, version)
    if json:
        print_json({"version": str(version), **asdict(pushed)})
        return
    what = "was there already" if pushed.unchanged else f"{counted(pushed.files, 'file')} of {version}"
    typer.echo(
        f"{pushed.address} ({'public' if public else 'private'}): {what}, commit {pushed.commit[:12]}, tag {pushed.tag}"
    )


def _export_packed(name: str, directory: Path, tokenizer: str, length: int, window: int) -> None:
    from flows.config.loading import ConfigError

    if not tokenizer:
        raise ConfigError(
            "--format packed writes token ids, and no tokenizer is given. Fix: --tokenizer FOLDER"
        )
    from flows.settings import load_settings
    from tasks.training.models import tokenizer_of
    from tasks.training.packed import export_packed

    store = _store()
    version = store.resolve(name)
    info = export_packed(
        store,
        version,
        directory,
        tokenizer_of(tokenizer),
        length=length,
        window=window,
        by=load_settings().signer(),
    )
    full = info.tokens / (info.blocks * length)
    left = ", ".join(f"{count} {reason}" for reason, count in info.dropped.items())
    typer.echo(
        f"{version}: {counted(info.tokens, 'token')} in {counted(info.blocks, 'block')} of {length}, {full:.1%} full, in {directory}"
        + (f"; left out: {left}" if left else "")
    )


def _store() -> Store:
    from flows.settings import load_settings
    from storage.datasets.store import Store

    return Store(load_settings().tables)
