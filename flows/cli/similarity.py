"""Commands over what is published or in a file: near (retrieval) and decontaminate."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from flows.cli import terminal
from flows.cli.options import AsJson, Name
from flows.cli.terminal import print_json
from storage.counting import counted, was
from storage.errors import StorageError
from tasks.ingestion.records import IngestError
from tasks.text.cleaning import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from flows.runner.resources import Tools
    from tasks.decontamination.matching import Text

SHOWN = 10  # hits at the terminal
ROWS = 8192  # compared at a time


def near(
    name: Name,
    questions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUESTION]...",
            help="Questions, in words. None, or -: read from standard input, one per line.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-k", min=1, max=1000, help="How many neighbours.")] = 20,
    json: AsJson = False,
) -> None:
    """The questions of a version nearest to each question, by the encoder and the version's FAISS index.

    The encoder is loaded once for all questions. With --json `answers` has one entry per question, also for a single
    one, and `size` is how many questions the index holds.
    """
    from flows.runner.resources import Tools
    from flows.settings import load_settings
    from storage.rows import column
    from tasks.retrieval.neighbours import neighbours
    from tasks.retrieval.published import Published

    tools = Tools(load_settings())
    version = tools.store.resolve(name)
    asked = _questions(questions or ["-"])
    published = Published(str(tools.home), str(version), version.digest)
    encode = tools.encoder()
    index = published.index(encode)
    cosines, problems = neighbours(index, encode(asked), count)
    found = list(dict.fromkeys(problem for problem in problems.ravel().tolist() if problem is not None))
    rows = published.rows(found)
    row_of = dict(zip(found, zip(column(rows, "id"), column(rows, "question"), strict=True), strict=True))
    answers: list[dict[str, Any]] = [
        {
            "question": question,
            "neighbours": [
                {"cosine": round(float(cosine), 4), "id": row_of[problem][0], "question": row_of[problem][1]}
                for cosine, problem in zip(near, names, strict=True)
                if problem is not None
            ],
        }
        for question, near, names in zip(asked, cosines, problems.tolist(), strict=True)
    ]
    about = {"version": str(version), "index": index.kind, "size": index.size, "recall": index.recall}
    if json:
        print_json(about | {"answers": answers})
        return
    console = terminal.console(soft_wrap=True)
    console.print(
        f"[bold]{version}[/]: {counted(index.size, 'question')}, {index.kind} index, recall {index.recall:.3f} of exact search"
    )
    for answer in answers:
        if len(answers) > 1:
            console.print(f"\n[bold]{escape(printable(answer['question']))}[/]")
        for one in answer["neighbours"]:
            console.print(f"{one['cosine']:.3f}  [dim]{one['id']}[/]  {escape(printable(one['question']))}")


def _questions(given: Sequence[str]) -> list[str]:
    """The questions, with the lines of standard input in the place of `-`. StorageError where there is none."""
    found: list[str] = []
    for text in given:
        found += sys.stdin.read().splitlines() if text == "-" else [text]
    found = [text.strip() for text in found if text.strip()]
    if not found:
        raise StorageError(
            'no question was given. Fix: ./mathmill near NAME "QUESTION", or write questions to standard input, one per line'
        )
    return found


def decontaminate(
    source: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]|FILE", help="A version, or a file of rows.")
    ],
    against: Annotated[
        list[Path], typer.Option(help="A benchmark file, or a folder of them; may be repeated.")
    ],
    rule: Annotated[
        list[str] | None, typer.Option(help="A rule; may be repeated. Without it: all of them.")
    ] = None,
    ask: Annotated[bool, typer.Option(help="Let the critic decide about near ones (it is paid).")] = False,
    planted: Annotated[int, typer.Option(min=0, help="Leaks planted a kind, to measure the recall.")] = 100,
    pairs: Annotated[
        list[Path] | None, typer.Option(help="A file of known paraphrases or translations of items.")
    ] = None,
    hits: Annotated[Path | None, typer.Option(help="Write every hit to this file (JSONL).")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail (exit code 2) if a record of a file cannot be read.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Which rows hold a benchmark item, and what the rules find of planted leaks. Exit code 1 if a row does.

    Every text of a row is compared: all turns of a chat, system prompts, reasoning, both sides of a pair, further columns.
    """
    import orjson

    from flows.runner.decontamination import Decontamination, examine
    from flows.runner.resources import opened
    from flows.settings import load_settings
    from tasks.stages.decontaminate import DecontaminateSettings

    config = DecontaminateSettings(
        benchmarks=[str(path) for path in against],
        ask=ask,
        planted=planted,
        pairs=[str(path) for path in pairs or ()],
        **({"rules": rule} if rule else {}),
    )
    against_these = Decontamination.of(config)
    unread = [str(record) for record in against_these.benchmarks.unread()]
    with opened(load_settings()) as tools:
        found, lost = examine(tools, _tables(tools, source, unread), against_these)
    records = [_hit(row) for row in lost]
    if hits is not None:
        hits.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    if json:
        print_json({"hits": records, "unread": unread, "certificate": found.to_dict()})
    else:
        console = terminal.console(soft_wrap=True)
        for row in lost[:SHOWN]:
            console.print(f"{escape(row['rejected'])}  [dim]{escape(row['question'][:160])}[/]")
        if len(lost) > SHOWN:
            console.print(f"and {len(lost) - SHOWN:,} more: --hits FILE writes all of them")
        console.print(escape("\n".join(["", *found.lines()] if lost else found.lines())))
        if unread:
            console.print(
                f"[bold]{counted(len(unread), 'record')} could not be read and {was(len(unread))} not compared:[/]"
            )
            for line in unread[:SHOWN]:
                console.print(f"  {escape(printable(line, 300))}")
            if len(unread) > SHOWN:
                console.print(f"  and {len(unread) - SHOWN:,} more: --json names all of them")
    if unread and strict:
        raise IngestError(
            f"{counted(len(unread), 'record')} could not be read, the first is {printable(unread[0], 300)}. "
            "Fix: correct or drop them, or leave --strict out"
        )
    raise typer.Exit(1 if lost else 0)


def _tables(tools: Tools, source: str, unread: list[str]) -> Iterator[tuple[pa.Table, Sequence[Text] | None]]:
    """The rows of a version or a file, in pieces, with all the texts of a file's rows; what cannot be read is added
    to `unread`."""
    import pyarrow as pa

    from tasks.decontamination.reading import parts

    if "/" in source or Path(source).is_file():
        rows, here = 0, list[str]()
        for part in parts(Path(source)):
            rows += part.table.num_rows
            here += part.unread
            unread += part.unread
            yield part.table, part.texts
        if not rows:
            raise IngestError(
                f"{source}: none of its {counted(len(here), 'record')} holds a text to compare, the first is "
                f"{printable(here[0], 300)}. Fix: correct them, or name another file"
            )
        return
    for batch in tools.store.batches(source, size=ROWS):
        yield pa.Table.from_batches([batch]), None


def _hit(row: dict[str, Any]) -> dict[str, Any]:
    why = row["reason"].values
    benchmark = why["item"].rpartition("#")[0]
    return {
        "row": row["id"],
        "benchmark": benchmark,
        "item": why["item"],
        "rule": why["rule"],
        "overlap": float(why["overlap"]),
        "field": why["field"] or "question",
        "question": row["question"],
    }
