"""`mathmill attribution`: which source, method or teacher of a version earned or cost the points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import terminal
from flows.cli.interference import samples
from flows.cli.options import AsJson
from storage.counting import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from storage.datasets.store import Store
    from storage.datasets.versions import Version

MARK = "attribution"
ITEMS = 64  # held-out items at most


def attribution(
    version: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A version of a dataset.")],
    by: Annotated[
        Literal["source", "method", "model", "domain", "language", "solution_format"],
        typer.Option(help="The column whose values are compared; model is the teacher of a solution."),
    ] = "source",
    items: Annotated[
        Path | None,
        typer.Option(
            help="File of items with question and solution that the version is to help with; empty: worked problems of its subdomains, which it does not have."
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=16, help="Rows of each value at most, chosen by a hash.")] = 64,
    most: Annotated[int, typer.Option(min=2, help="Values at most, those with the most rows.")] = 8,
    check: Annotated[
        str,
        typer.Option(
            help="Values that a training is repeated without: all, or names with commas; empty: the two of the lowest influence."
        ),
    ] = "",
    steps: Annotated[int, typer.Option(min=3, help="Steps of each training.")] = 60,
    base: Annotated[
        str,
        typer.Option(help="Checkpoint that learns, such as hf:smollm2; empty: a small student made for it."),
    ] = "",
    json: AsJson = False,
) -> None:
    """Measure which source, method or teacher of a version earned or cost the points on held-out items.

    The gradient of each group is compared with that of the items during one training of a small student, and the suspects are checked by
    training again without them. Both are kept as a mark of the version.
    """
    from flows.config.loading import ConfigError
    from flows.runner.resources import opened
    from flows.settings import load_settings
    from tasks.llm.model_files import located, require
    from tasks.training.attribution import attribute

    settings = load_settings()
    folder = located(base, settings.home) if base else None
    if folder is not None:
        require(folder, "--base")
    with opened(settings) as tools:
        resolved = tools.store.resolve(version)
        groups = samples(tools.store, resolved, by, rows, most)
        named = [name.strip() for name in check.split(",") if name.strip()]
        if unknown := [name for name in named if name != "all" and name not in groups]:
            raise ConfigError(
                f"--check {unknown[0]}: no such value of {by}. Fix: choose of all, {', '.join(groups)}"
            )
        held = _held_out(tools.store, resolved) if items is None else _of_file(items)
        result = attribute(
            groups, held, base=folder, steps=steps, check=list(groups) if "all" in named else (named or None)
        )
        value = {
            "by": by,
            "base": base or "student",
            "items": str(items) if items else "worked problems of the version's subdomains",
            "steps": steps,
            "worst": result.worst,
            **result.record(),
        }
        tools.store.mark(resolved, MARK, value)
    if json:
        terminal.print_json(value)
        return
    terminal.echo(
        f"Influence on {value['items']} (cosine of the gradients), and the change of the loss in nats per token without the group"
    )
    lines = zip(result.groups, result.rows, result.influence, result.without, strict=True)
    for name, number, influence, without in sorted(lines, key=lambda one: -one[2]):
        left = "not checked" if without is None else f"{without:+.4f} without it"
        terminal.echo(f"  {name[:32]:<32} {counted(number, 'row'):>10} {influence:+.3f}  {left}")
    effect = "lower: it costs points" if result.harmful else "not lower, so no harm is shown"
    terminal.echo(f"Least useful: {result.worst}. Without it the loss is {effect}")


def _held_out(store: Store, version: Version) -> pa.Table:
    """Return worked problems of the version's subdomains that are not among its problems."""
    from storage.rows import Row, to_table
    from tasks.problems.machinery.family import LEVELS, families, make
    from tasks.seeding import rng_of

    known = store.read(version, ["problem_id", "subdomain", "language"])
    topics = {
        (one["language"], one["subdomain"]) for one in known.select(["language", "subdomain"]).to_pylist()
    }
    drawn = [
        (language, family)
        for language, subdomain in sorted((str(a), str(b)) for a, b in topics)
        for family in families().values()
        if family.subdomain == subdomain and language in family.phrasings
    ]
    seen = set(known.column("problem_id").to_pylist())
    rows: list[Row] = []
    for number in range(2 * ITEMS if drawn else 0):
        language, family = drawn[number % len(drawn)]
        rng = rng_of("attribution items", number)
        problem = make(family, rng, rng.choice(LEVELS), language)
        worked = "\n".join([*problem.worked.steps, f"\\boxed{{{problem.worked.answer}}}"])
        row = Row(problem.question, language, solution=worked, answer=problem.worked.answer)
        if row.problem_id not in seen and len(rows) < ITEMS:
            seen.add(row.problem_id)
            rows.append(row)
    return to_table(rows)


def _of_file(path: Path) -> pa.Table:
    """Return the records of a file as rows. Raises ConfigError for one without question and solution."""
    from flows.config.loading import ConfigError
    from storage.rows import Row, to_table
    from tasks.ingestion.sources import sources
    from tasks.ingestion.values import Unfit
    from tasks.stages.ingest import language_of_text

    rows: list[Row] = []
    for source in sources([str(path)]):
        for record in source.records():
            fields = record.fields or {}
            question, solution = fields.get("question"), fields.get("solution")
            if not isinstance(question, str) or not isinstance(solution, str):
                raise ConfigError(
                    f"{path}, {record.place}: no question and solution. Fix: a file with both columns as texts"
                )
            try:
                language = language_of_text(fields.get("language"), question)
            except Unfit as error:
                raise ConfigError(f"{path}, {record.place}: {error}. Fix: leave the record out") from None
            rows.append(Row(question, language, solution=solution))
            if len(rows) == ITEMS:
                return to_table(rows)
    return to_table(rows)
