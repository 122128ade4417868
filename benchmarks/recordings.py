"""Plays recorded completions of real models as an endpoint, and passes them through the stages of a night.

The recordings are files of the folder REAL_TEXT_DATA, by default ../shared/data beside the checkout. `Playback` is an ASGI app
of the chat-completions wire: a prompt that ends with a recorded question gets that question's next recorded completion, by
the sample index that the seed of the request stands for. Tokens are counted as the embedded teacher counts them.
"""

from __future__ import annotations

import ast
import gzip
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from flows.config.nightly import Nightly
from flows.nightly import Judging, solving
from flows.runner.stages import Step
from storage.ledger import Ledger
from storage.rows import Row, column, content_id, kept, to_table
from tasks.answers import Judge
from tasks.arrays import Mask
from tasks.ingestion.options import listed_in
from tasks.llm.endpoint import Endpoint, EngineLimits
from tasks.llm.engine import Engine
from tasks.llm.transport import AsgiTransport
from tasks.routing import formats
from tasks.sandbox import Sandbox
from tasks.seeding import seed_of
from tasks.stages.calibrate import calibrate
from tasks.stages.outcome import Outcome
from tasks.stages.score import ScoreSettings
from tasks.stages.solve import SolveSettings, formats_of
from tasks.teacher.wire import count_tokens
from tasks.voting import Calibration, prior

DATA = Path(os.environ.get("REAL_TEXT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
SEED = 20_261_128
KNOWN = 5  # of so many questions one calibrates the votes and is left out of the figures
URL = "http://recorded/v1"
RECORDED = Endpoint("reasoner", "recorded", [URL])


@dataclass(slots=True)
class Recorded:
    """A question with its trusted answer and the recorded completions, by the format that they were asked for."""

    question: str
    reference: str
    words: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)

    @property
    def problem_id(self) -> str:
        return content_id("en", self.question)

    def texts(self, kind: str) -> list[str]:
        """Return the completions of a format in the order in which they are played, which depends on the question only."""
        texts = self.programs if kind == "pot" else self.words
        order = sorted(range(len(texts)), key=lambda i: seed_of(SEED, self.problem_id, kind, i))
        return [texts[i] for i in order]


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorded questions of one source, all of which have at least `samples` completions at this share of programs."""

    name: str
    load: Callable[[], list[Recorded]]
    samples: int
    pot_share: float

    def questions(self, every: int = 1) -> list[Recorded]:
        """Return each `every`-th question that has enough completions."""
        kinds = formats(self.samples, self.pot_share)
        words, programs = kinds.count("cot"), kinds.count("pot")
        full = [q for q in self.load() if len(q.words) >= words and len(q.programs) >= programs]
        return full[::every]


class Playback:
    """The endpoint: an ASGI app that answers each prompt with the recorded completion of its sample index.

    kinds_of: returns the format of each sample of a question, as the stage of that name asks for them; seed: the run's. A prompt
    without a recorded question, or a sample that was not recorded, gets status 404.
    """

    def __init__(
        self,
        questions: Sequence[Recorded],
        kinds_of: Callable[[Recorded], list[str]],
        seed: int,
        *,
        stage: str = "solve",
    ) -> None:
        self._kinds_of, self._seed, self._stage = kinds_of, seed, stage
        self._by_last_line: defaultdict[str, list[Recorded]] = defaultdict(list)
        for question in questions:
            self._by_last_line[_last_line(question.question)].append(question)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        response = self._answer(await request.json()) if request.method == "POST" else _models()
        await response(scope, receive, send)

    def _answer(self, body: dict[str, Any]) -> Response:
        prompt = "\n".join(str(message["content"]) for message in body["messages"])
        text = self._text(prompt.strip(), body.get("seed"))
        if text is None:
            return JSONResponse({"error": {"message": "no recorded completion"}}, status_code=404)
        usage = {"prompt_tokens": count_tokens(prompt), "completion_tokens": count_tokens(text)}
        return JSONResponse(
            {
                "id": "recorded",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": text},
                        "finish_reason": "stop",
                    }
                ],
                "usage": usage | {"total_tokens": sum(usage.values())},
            }
        )

    def _text(self, prompt: str, seed: int | None) -> str | None:
        at_end = self._by_last_line.get(_last_line(prompt), [])
        asked = max((q for q in at_end if prompt.endswith(q.question.strip())), key=_length, default=None)
        if asked is None:
            return None
        kinds = self._kinds_of(asked)
        for index, kind in enumerate(kinds):
            if seed == seed_of(self._seed, self._stage, asked.problem_id, index):
                texts = asked.texts(kind)
                place = kinds[:index].count(kind)
                return texts[place] if place < len(texts) else None
        return None


def solved(settings: SolveSettings) -> Callable[[Recorded], list[str]]:
    """Return the formats of the samples of a question, as the stage solve asks for them."""
    return lambda one: formats_of(settings, one.question, one.problem_id, None)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _length(question: Recorded) -> int:
    return len(question.question)


def _models() -> Response:
    return JSONResponse({"object": "list", "data": [{"id": "recorded", "object": "model"}]})


@dataclass(frozen=True, slots=True)
class Played:
    """What a night made of the questions whose references were hidden from it.

    rows: every row, with the reason of the stage that dropped it. right: +1 the row's answer is the hidden one, -1 it is
    another one, 0 it has none or the judge cannot compare the two, (n,). tokens: paid for the hidden questions.
    """

    rows: pa.Table
    right: np.ndarray[Any, np.dtype[np.int64]]
    tokens: int
    questions: int
    calibration: Calibration
    facts: dict[str, Any]

    @property
    def accepted(self) -> Mask:
        """Return the rows that passed `weigh`, duplicates included: `dedup` does not ask whether a row is right."""
        stages = [None if why is None else why["stage"] for why in column(self.rows, "reason")]
        return np.array([stage in (None, "dedup") for stage in stages], dtype=bool)


@contextmanager
def tools() -> Iterator[dict[str, Any]]:
    """Yield the sandbox and the judge that the stages share."""
    with Judge(workers=2) as judge, Sandbox() as sandbox:
        yield {"judge": judge, "sandbox": sandbox}


def play(
    recorded: Sequence[Recorded],
    settings: SolveSettings,
    shared: dict[str, Any],
    *,
    config: Nightly | None = None,
    endpoint: Endpoint = RECORDED,
    known_of: int = KNOWN,
) -> Played:
    """Run the stages of a night over recorded questions, from solve to dedup, without the critic, and compare with the
    hidden references.

    `endpoint` is asked: the recordings, or the embedded teacher. One of `known_of` questions keeps its reference, to calibrate
    the votes as in each night.
    """
    settings = settings.model_copy(update={"canaries": 0})  # their questions were not recorded
    config = config or Nightly(score=ScoreSettings(scorers=["heuristics"]))
    known = [q for q in recorded if seed_of(SEED, "known", q.problem_id) % known_of == 0]
    ids = {q.problem_id for q in known}
    hidden = [q for q in recorded if q.problem_id not in ids]
    played = AsgiTransport(Playback(recorded, solved(settings), SEED), URL)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Path(folder) / "ledger.sqlite") as ledger,
        Engine(
            endpoint,
            ledger,
            EngineLimits(max_in_flight=64),
            transports=[played] if endpoint is RECORDED else None,
        ) as engine,
    ):
        given = shared | {"reasoner": engine}
        calibration, facts = prior(), {}
        if known:
            steps = [
                solving(config, settings, calibration, SEED, blind=True),
                *Judging(config, calibration, _no_benchmarks).votes(blind=True),
            ]
            labelled = _through(steps, table_of(known, shown=True), given)[-1]
            facts = calibrate(labelled, base=calibration, tick=_ignore).facts["calibration"]
            calibration = Calibration.from_dict(facts)
        before = engine.stats()
        judging = Judging(config, calibration, _no_benchmarks)
        steps = [
            solving(config, settings, calibration, SEED),
            *judging.votes(),
            *judging.decision()[:-1],
        ]
        parts = _through(steps, table_of(hidden, shown=False), given)
        after = engine.stats()
    rows = pa.concat_tables(parts)
    references = {q.problem_id: q.reference for q in hidden}
    right = _compared(rows, references, shared["judge"])
    tokens = after.prompt_tokens + after.completion_tokens - before.prompt_tokens - before.completion_tokens
    return Played(rows, right, tokens, len(hidden), calibration, facts)


def _ignore(rows: int) -> None:
    """Count no progress."""


def _no_benchmarks() -> Any:
    raise RuntimeError("the questions are benchmark items, and no step that compares with them is run")


def table_of(questions: Sequence[Recorded], *, shown: bool) -> pa.Table:
    """Return the questions as rows, with their trusted answers or without."""
    return to_table(
        Row(q.question, "en", reference_answer=q.reference if shown else None, source="recorded")
        for q in questions
    )


def _through(steps: Sequence[Step], table: pa.Table, given: dict[str, Any]) -> list[pa.Table]:
    """Return the rows that each stage dropped, and last those that the last stage kept."""
    parts = []
    for step in steps:
        needs = {keyword: given[tool] for keyword, tool in step.stage.needs.items()}
        result = step.call()(table, tick=_ignore, **needs)
        rows = result.rows if isinstance(result, Outcome) else result
        table = kept(rows)
        parts.append(rows.filter(pc.is_valid(rows.column("rejected"))))
    return [*parts, table]


def _compared(
    rows: pa.Table, references: dict[str, str], judge: Judge
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return +1, -1 or 0 for each row, as `Played.right` defines them."""
    answers, problems = column(rows, "answer"), column(rows, "problem_id")
    answered = [i for i, answer in enumerate(answers) if answer]
    judgements = judge.equal([(answers[i], references[problems[i]]) for i in answered])
    right = np.zeros(len(answers), np.int64)
    for i, judgement in zip(answered, judgements, strict=True):
        right[i] = {"equal": 1, "different": -1}.get(judgement, 0)
    return right


def records(name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file of DATA, plain or gzip."""
    data = (DATA / name).read_bytes()
    return [
        json.loads(line) for line in (gzip.decompress(data) if name.endswith(".gz") else data).splitlines()
    ]


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else list(ast.literal_eval(value))


def _gathered(pairs: Iterator[tuple[str, str, str, str]]) -> list[Recorded]:
    """Return the questions of (question, reference, format, completion), in the order of their first completion. The
    first reference of a question counts."""
    questions: dict[str, Recorded] = {}
    for question, reference, kind, text in pairs:
        recorded = questions.setdefault(question.strip(), Recorded(question.strip(), reference))
        if text.strip():
            (recorded.programs if kind == "pot" else recorded.words).append(text)
    return list(questions.values())


def gsm8k() -> list[Recorded]:
    """GSM8K by seven chat models in words, and by ToRA and Codex in programs."""

    def pairs() -> Iterator[tuple[str, str, str, str]]:
        for row in records("samples/zeroeval_gsm8k.a.jsonl.gz"):
            yield row["question"], str(row["answer"]).removeprefix("# "), "cot", _items(row["output"])[0]
        for name in ("tora-70b-v1.0", "tora-code-34b-v1.0"):
            for row in records(f"pot/{name}_gsm8k.a.jsonl.gz"):
                yield row["question"], str(row["gt"]), "pot", row["code"][0]
        for row in records("pot/codex_gsm8k_fewshot.a.jsonl.gz"):
            yield row["question"], str(row["answer"]), "pot", _items(row["generated"])[0]
        for row in records("pot/codex_gsm8k_zeroshot.a.jsonl.gz"):
            yield row["question"], str(row["answer"]), "pot", row["generated"]

    return _gathered(pairs())


def gsm8k_2021() -> list[Recorded]:
    """GSM8K by two fine-tuned models of 2021, which are right in a third of their solutions."""
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    return _gathered(
        (row["question"], row["ground_truth"].rsplit("A: ", 1)[-1], "cot", row[model]["solution"])
        for row in records("gsm8k/example_model_solutions.a.jsonl.gz")
        for model in models
    )


def gsm8k_2021_and_programs() -> list[Recorded]:
    """GSM8K in words by the models of 2021 and in programs by ToRA and Codex, which are right more often."""
    programs = {question.question: question.programs for question in gsm8k()}
    words = gsm8k_2021()
    for question in words:
        question.programs = programs.get(question.question, [])
    return words


def math_level_5() -> list[Recorded]:
    """MATH, level 5, by eight chat models."""
    return _gathered(
        (row["problem"], str(row["answer"]), "cot", _items(row["output"])[0])
        for row in records("samples/zeroeval_math_l5.a.jsonl.gz")
    )


def math_one_model() -> list[Recorded]:
    """MATH by one model, eight samples."""
    return _gathered(
        (row["question"], str(row["gt"]), "cot", text)
        for row in records("samples/qwen_math_8samples.a.jsonl.gz")
        for text in _items(row["code"])
    )


def _with_options(question: str) -> str:
    """Return the question with its options as ingestion writes them."""
    listed = listed_in(question)
    return question if listed is None else "\n".join([listed[0], *listed[1].lines()])


def bbh() -> list[Recorded]:
    """Arithmetic and deductions of BIG-bench hard by small models after reinforcement learning, 40 samples."""
    return _gathered(
        (_with_options(row["doc"]["input"]), str(row["target"]).strip("()"), "cot", text)
        for row in records("samples/qwen3_grpo_bbh.a.jsonl.gz")
        for text in row["resps"][0]
    )


RECORDINGS = (
    Recording("GSM8K", gsm8k, 4, 0.5),
    Recording("GSM8K 2021", gsm8k_2021, 4, 0.0),
    Recording("MATH level 5", math_level_5, 4, 0.0),
    Recording("MATH one model", math_one_model, 4, 0.0),
    Recording("BIG-bench hard", bbh, 4, 0.0),
)

# recordings in which each question has so many completions of both formats that their shares can change
BOTH_FORMATS = (
    Recording("GSM8K", gsm8k, 8, 0.5),
    Recording("GSM8K 2021 and programs", gsm8k_2021_and_programs, 8, 0.5),
)
