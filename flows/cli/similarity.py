"""The commands `near` (retrieval in a version) and `decontaminate` (of a version or a file)."""

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
from tasks.ingestion.record import IngestError
from tasks.text.cleaning import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from flows.runner.resources import Tools
    from tasks.decontamination.matching import Text

SHOWN = 10  # hits that are shown at the terminal
ROWS = 8192  # per batch of comparisons


def near(
    name: Name,
    questions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[QUESTION]...",
            help="Texts of questions; none, or -: read from standard input, one per line.",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-k", min=1, max=1000, help="Number of neighbours per question.")
    ] = 20,
    json: AsJson = False,
) -> None:
    """Find the questions of a version that are nearest to each given question, with the encoder and a FAISS index.

    The encoder is loaded once for all questions. With --json `answers` has one entry per question, even for a single
    one, and `size` is the number of questions in the index.
    """
    from flows.runner.resources import Tools
    from flows.settings import load_settings
    from storage.rows import column
    from tasks.retrieval.neighbours import neighbours
    from tasks.retrieval.published import Published

    tools = Tools(load_settings())
    version = tools.store.resolve(name)
    texts = _questions(questions or ["-"])
    published = Published(str(tools.home), str(version), version.digest)
    encode = tools.encoder()
    index = published.index(encode)
    cosines, problems = neighbours(index, encode(texts), count)
    problem_ids = list(dict.fromkeys(problem for problem in problems.ravel().tolist() if problem is not None))
    rows = published.rows(problem_ids)
    row_of = dict(
        zip(problem_ids, zip(column(rows, "id"), column(rows, "question"), strict=True), strict=True)
    )
    answers: list[dict[str, Any]] = [
        {
            "question": question,
            "neighbours": [
                {"cosine": round(float(cosine), 4), "id": row_of[problem][0], "question": row_of[problem][1]}
                for cosine, problem in zip(similarities, ids, strict=True)
                if problem is not None
            ],
        }
        for question, similarities, ids in zip(texts, cosines, problems.tolist(), strict=True)
    ]
    header = {"version": str(version), "index": index.kind, "size": index.size, "recall": index.recall}
    if json:
        print_json(header | {"answers": answers})
        return
    console = terminal.console(soft_wrap=True)
    console.print(
        f"[bold]{version}[/]: {counted(index.size, 'question')}, {index.kind} index, recall {index.recall:.3f} of exact search"
    )
    for answer in answers:
        if len(answers) > 1:
            console.print(f"\n[bold]{escape(printable(answer['question']))}[/]")
        for neighbour in answer["neighbours"]:
            console.print(
                f"{neighbour['cosine']:.3f}  [dim]{neighbour['id']}[/]  {escape(printable(neighbour['question']))}"
            )


def _questions(arguments: Sequence[str]) -> list[str]:
    """Return the questions, with the lines of standard input in place of `-`. Raises StorageError if there are none."""
    questions: list[str] = []
    for text in arguments:
        questions += sys.stdin.read().splitlines() if text == "-" else [text]
    questions = [text.strip() for text in questions if text.strip()]
    if not questions:
        raise StorageError(
            'no question was given. Fix: ./mathmill near NAME "QUESTION", or write questions to standard input, one per line'
        )
    return questions


def decontaminate(
    source: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]|FILE", help="A version, or a file of rows.")
    ],
    against: Annotated[
        list[Path],
        typer.Option(help="A file of benchmark items, or a folder of such files; may be repeated."),
    ],
    rule: Annotated[
        list[str] | None, typer.Option(help="A decontamination rule; may be repeated. Default: all rules.")
    ] = None,
    ask: Annotated[
        bool, typer.Option(help="Let the critic decide close cases; its calls are paid for.")
    ] = False,
    planted: Annotated[int, typer.Option(min=0, help="Planted items per kind, to measure the recall.")] = 100,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(help="A file of known paraphrases or translations of items; may be repeated."),
    ] = None,
    hits: Annotated[Path | None, typer.Option(help="Write every hit to this file (JSON Lines).")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail (exit code 2) if a record of a file cannot be read.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Find the rows that contain a benchmark item, and measure the recall on planted items. Exit code 1 if a row does.

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
    decontamination = Decontamination.of(config)
    unread = [str(record) for record in decontamination.benchmarks.unread()]
    with opened(load_settings()) as tools:
        say = lambda text: terminal.echo(text, err=True)  # noqa: E731 - the result on stdout may be JSON
        certificate, rejected = examine(tools, _tables(tools, source, unread), decontamination, say)
    records = [_hit(row) for row in rejected]
    if hits is not None:
        hits.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    if json:
        print_json({"hits": records, "unread": unread, "certificate": certificate.to_dict()})
    else:
        console = terminal.console(soft_wrap=True)
        for row in rejected[:SHOWN]:
            console.print(f"{escape(row['rejected'])}  [dim]{escape(row['question'][:160])}[/]")
        if len(rejected) > SHOWN:
            console.print(f"and {len(rejected) - SHOWN:,} more: --hits FILE writes all of them")
        console.print(escape("\n".join(["", *certificate.lines()] if rejected else certificate.lines())))
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
    raise typer.Exit(1 if rejected else 0)


def _tables(tools: Tools, source: str, unread: list[str]) -> Iterator[tuple[pa.Table, Sequence[Text] | None]]:
    """Yield the rows of a version or a file in batches, each with all texts of its rows if it is from a file.

    Records that cannot be read are added to `unread`. Raises IngestError if no record of a file holds a text.
    """
    import pyarrow as pa

    from tasks.decontamination.reading import parts

    if "/" in source or Path(source).is_file():
        rows, unread_here = 0, list[str]()
        for part in parts(Path(source)):
            rows += part.table.num_rows
            unread_here += part.unread
            unread += part.unread
            yield part.table, part.texts
        if not rows:
            raise IngestError(
                f"{source}: none of its {counted(len(unread_here), 'record')} holds a text to compare, the first is "
                f"{printable(unread_here[0], 300)}. Fix: correct them, or name another file"
            )
        return
    for batch in tools.store.batches(source, size=ROWS):
        yield pa.Table.from_batches([batch]), None


def _hit(row: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a hit from the reason why the row was rejected."""
    values = row["reason"].values
    benchmark = values["item"].rpartition("#")[0]
    return {
        "row": row["id"],
        "benchmark": benchmark,
        "item": values["item"],
        "rule": values["rule"],
        "overlap": float(values["overlap"]),
        "field": values["field"] or "question",
        "question": row["question"],
    }
