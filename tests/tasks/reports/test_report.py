"""The report has all its numbers and formulas as MathML, escapes hostile rows, and refers to no network address."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from markdown_it import MarkdownIt
from scipy.stats import spearmanr

from storage.reasons import Code, reason
from storage.rows import Row, reject, to_table
from tasks.reports import Figures, FunnelLine, Report, collect
from tasks.reports.figures import (
    EXAMPLES,
    SHORT_ID,
    Dropped,
    RankCorrelation,
    length_by_difficulty,
    reasons,
)
from tasks.reports.mathematics import DEEPEST, MOST
from tasks.reports.mathematics import to_html as mathematics

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> $\\text{<script>alert(2)</script>}$ ``` | [a](javascript:1)'


def figures(**changes: object) -> Figures:
    added = [
        Row(
            rf"Find $\frac{{1}}{{2}} + {i}$.", "en", solution=rf"It is \boxed{{{i}}}.", solution_format="cot", answer=str(i),
            subdomain="limits", source="self_instruct", scores={"answer": 0.9}, difficulty=0.25, license="own",
        )
        for i in range(12)
    ]  # fmt: skip
    rejected = reject(
        to_table([Row("a", "en"), Row("b", "en"), Row("c", "en")]),
        [
            reason("verify", Code.DIFFERENT, answer="1", reference="2"),
            reason("verify", Code.DIFFERENT, answer="3", reference="4"),
            reason("mix", Code.OVER_TARGET, target=12),
        ],
    )
    given: dict[str, object] = {
        "version": "math-sft@2026.11.20",
        "digest": "ab" * 32,
        "whole": to_table(added),
        "added": to_table(added),
        "samples": to_table(added[:10]),
        "rejected": rejected,
        "funnel": [
            FunnelLine("Solve", 15, 12, 2, 1),
            FunnelLine("Calibrate", 9, 0, 9, 0, "calibrate", not_taken=9),
        ],
        "costs": [
            {
                "role": "teacher",
                "model": "m",
                "completions": 1234,
                "cached": 1,
                "prompt_tokens": 5,
                "completion_tokens": 6,
                "estimated": 0,
                "usd": 1.5,
            },
        ],
        "lineage": {"base": None, "seed": 1},
    }
    return collect(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_page_has_the_figures_of_the_night() -> None:
    page = Report(figures()).html()
    for text in ("math-sft@2026.11.20", "1,234", "$1.50", "limits", "answer … is not …"):
        assert text in page
    assert page.count("<svg") >= 5
    assert page.count('class="row"') == 10


@pytest.mark.slow
def test_the_page_says_how_far_correctness_can_be_trusted() -> None:
    held = {"labelled": 1600, "accuracy": 0.9125, "ece": 0.0312, "bins": [[0.1, 0.0, 600], [0.9, 0.95, 1000]]}
    tried, untried = (
        figures(lineage={"calibration": record}) for record in (held, {"weights": {}, "rows": 0})
    )
    for text in (Report(tried).html(), Report(tried).markdown(path="x")):
        for part in ("1,600 solutions", "0.912", "0.031", "How far"):
            assert part in text
    assert Report(tried).html().count("<svg") == Report(untried).html().count("<svg") + 1
    assert "How far" not in Report(untried).html() + Report(untried).markdown(path="x")


@pytest.mark.slow
def test_the_page_says_that_too_few_solutions_calibrated_the_votes() -> None:
    counts = {"asked": 48, "failed": 40, "dropped": 8}
    none = {"weights": {}, "rows": 0, "labelled": 0, **counts}
    some = (
        none
        | {"labelled": 40, "rows": 40, "failed": 8, "dropped": 0}
        | {"accuracy": 0.9, "ece": 0.1, "bins": [[0.9, 0.9, 40]]}
    )
    for report in (Report(figures(lineage={"calibration": record})) for record in (none,)):
        for text in (report.html(), report.markdown(path="x")):
            for part in ("How far", "0 of 48 solutions", "40 failed, 8 gave", "Fix: "):
                assert part in text
    text = Report(figures(lineage={"calibration": some})).markdown(path="x")
    assert "Of the 48 that were requested, 8 failed." in text
    assert "Fix: " not in text


def test_reasons_are_folded_and_counted() -> None:
    a, b, c = (Row(name, "en").id for name in "abc")
    assert figures().reasons == [
        Dropped("verify", "answer … is not …", 2, tuple(sorted((a, b)))),
        Dropped("mix", "over the target of 12", 1, (c,), not_taken=True),
    ]


def test_rows_that_were_not_taken_are_no_losses() -> None:
    why = [
        reason("verify", Code.DIFFERENT, answer="1", reference="2"),
        *[reason("mix", Code.OVER_TARGET, target=3)] * 2,
    ]
    own = figures(rejected=reject(to_table([Row(f"q{i}", "en") for i in range(3)]), why))
    assert own.dropped == 1
    assert [(one.stage, one.rows) for one in own.losses] == [("verify", 1)]
    assert [(one.stage, one.rows) for one in own.surplus] == [("mix", 2)]
    for page in (Report(own).html(), Report(own).markdown(path="x")):
        losses, _, surplus = page.partition("Why rows were dropped")[2].partition("Why rows were not taken")
        assert ("over the target" in losses, "over the target" in surplus) == (False, True)


@pytest.mark.slow
def test_every_reason_has_examples_for_why() -> None:
    table = reject(
        to_table([Row(f"q{i}", "en") for i in range(50)]),
        [reason("verify", Code.DIFFERENT, answer=i, reference=0) for i in range(50)],
    )
    (dropped,) = reasons(table)
    assert dropped.examples == tuple(sorted(Row(f"q{i}", "en").id for i in range(50)))[:EXAMPLES]
    assert reasons(table.take(list(reversed(range(50))))) == [dropped]
    report = Report(figures(rejected=table))
    for page in (report.html(), report.markdown(path="x")):
        assert dropped.examples[0][:SHORT_ID] in page
        assert "./mathmill why ID" in page


@pytest.mark.slow
def test_rows_that_were_set_aside_are_no_losses() -> None:
    why = [
        reason("calibrate", Code.CALIBRATED),
        reason("probe", Code.STUDENT_RIGHT),
        reason("probe", Code.CALL_FAILED, error="refused"),
        reason("verify", Code.DIFFERENT, answer="1", reference="2"),
    ]
    report_figures = figures(rejected=reject(to_table([Row(f"q{i}", "en") for i in range(4)]), why))
    assert [(one.stage, one.rows) for one in report_figures.reasons] == [("probe", 1), ("verify", 1)]
    report = Report(report_figures)
    assert "<b>2</b><span>rejected or failed" in report.html()
    assert "2 rejected or failed" in report.markdown(path="x")
    for page in (report.html(), report.markdown(path="x")):
        assert "student is right" not in page
        assert "solved to calibrate" not in page


def test_numbers_that_all_reasons_of_a_kind_share_are_shown() -> None:
    why = [
        reason("weigh", Code.UNLIKELY, correctness=p, threshold="0.70", same=1, samples=4)
        for p in ("0.31", "0.02")
    ]
    table = reject(to_table([Row("a", "en"), Row("b", "en")]), why)
    assert [(one.stage, one.reason, one.rows) for one in reasons(table)] == [
        ("weigh", "correctness … is under 0.70; …/… samples agree", 2)
    ]


def test_reasons_that_were_stored_as_text_are_counted_as_unknown() -> None:
    table = to_table([Row("a", "en", rejected="verify: answer 1 is not 2"), Row("b", "en", rejected="x")])
    assert [(one.stage, one.reason, one.rows) for one in reasons(table)] == [("unknown", "unknown", 2)]
    table = table.append_column("stage", pa.array(["verify", "mix"]))
    assert [(one.stage, one.reason, one.rows) for one in reasons(table)] == [
        ("mix", "unknown", 1),
        ("verify", "unknown", 1),
    ]


@pytest.mark.slow
def test_the_page_needs_no_network_and_runs_no_script() -> None:
    page = Report(figures()).html()
    assert not re.search(r"<script|<link|<img|url\(\s*['\"]?http", page)
    # the only addresses are names of XML namespaces
    assert {
        a
        for a in re.findall(r'https?://[^"\s<)]+', page)
        if "w3.org" not in a and "purl.org" not in a and "creativecommons" not in a
    } <= {"https://matplotlib.org/"}


@pytest.mark.slow
def test_hostile_rows_are_text() -> None:
    row = Row(
        EVIL,
        "en",
        solution=EVIL,
        solution_format="cot",
        answer=EVIL,
        subdomain=EVIL,
        critique=EVIL,
        scores={"answer": 1.0},
    )
    dropped = reject(
        to_table([row, Row("b", "en")]),
        [
            reason("generate", Code.MALFORMED_ITEM, why=EVIL),
            reason("mix", Code.OVER_SHARE, value=EVIL, dimension="format", share=0.5),
        ],
    )
    one = to_table([row])
    report_figures = figures(added=one, samples=one, whole=one, rejected=dropped, lineage={"note": EVIL})
    page = Report(report_figures).html()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    markdown = Report(report_figures).markdown(path="/tmp/x.html")
    # the rest may only be inside fenced blocks, which no renderer reads as markup
    assert "<script" not in re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    rendered = MarkdownIt("commonmark").enable("table").render(markdown)
    assert not re.search(r"<script|<img(?! src=\"data:image/png;base64,)|<a[ >]", rendered)
    assert rendered.count("<h2>") == Report(figures()).markdown(path="x").count("\n## ")


@pytest.mark.slow
def test_markdown_has_the_same_numbers() -> None:
    text = Report(figures()).markdown(path="/tmp/x.html")
    for part in (
        "math-sft@2026.11.20",
        "| Solve | 15 | 12 | 0 | 2 | 1 |",
        "| Calibrate | 9 | used |  | 0 | 0 |",
        "| teacher | m | 1,234 |",
        "data:image/png;base64,",
        "/tmp/x.html",
    ):
        assert part in text


@pytest.mark.slow
def test_an_empty_night_has_a_page_too() -> None:
    empty = to_table([])
    page = Report(
        figures(added=empty, whole=empty, rejected=empty, funnel=[FunnelLine("Solve", 0, 0, 0, 0)], costs=[])
    ).html()
    assert "0 random rows" in page


@pytest.mark.slow
def test_same_figures_same_bytes() -> None:
    assert Report(figures()).html() == Report(figures()).html()


@pytest.mark.parametrize(
    ("text", "expected", "absent"),
    [
        (r"half is $\frac{1}{2}$", "<mfrac>", "$"),
        (r"\[x^2\]", 'display="block"', "\\["),
        (r"so \boxed{\frac{3}{4}}", '<span class="boxed">', "\\boxed"),
        ("it costs $5 and $6", "it costs $5 and $6", "<math"),
        (r"broken $\frac{$ here", r"broken $\frac{$ here", "<math"),
        (r"$\text{<b>x</b>}$", "&lt;b&gt;", "<b>"),
        (r"$\href{javascript:alert(1)}{x}$", "<math", "href"),
        ("$" + "x" * 3000 + "$", "xxx", "<math"),
        ("a < b & c", "a &lt; b &amp; c", "< b"),
    ],
)
def test_mathematics(text: str, expected: str, absent: str) -> None:
    html = mathematics(text)
    assert expected in html
    assert absent not in html


BOMBS = {
    "openings": "\\(" * 60_000,
    "openings of blocks": "\\[" * 60_000,
    "dollars": "$a " * 60_000,
    "double dollars": "$$ " * 60_000,
    "boxes": "\\boxed{" * 60_000,
    "boxes that close": "\\boxed{a" * 30_000 + "}" * 30_000,
    "braces": "\\(" + "{" * 60_000 + "\\)",
    "one far end": "\\(x" * 60_000 + "\\)",
    "many formulas": "\\(x_1^2\\) " * 20_000,
    "deep": "\\(" + "\\sqrt{" * 120 + "x" + "}" * 120 + "\\)",
}


@pytest.mark.parametrize("name", BOMBS)
def test_oversized_latex_is_shown_as_it_was_written(name: str) -> None:
    text = BOMBS[name]
    shown = mathematics(text)
    assert len(shown) <= 20 * len(text)
    assert shown.count("<math") <= MOST // 3
    assert depth(shown) <= DEEPEST + 2


def depth(markup: str) -> int:
    deepest = now = 0
    for closing in re.findall(r"<(/?)[a-z][^>]*?(?<!/)>", markup.replace("<br>", "")):
        now += -1 if closing else 1
        deepest = max(deepest, now)
    return deepest


@pytest.mark.parametrize(
    "length", ["99999em", "-99999em", "3000pt", "900cm", "100%", "calc(100vw)", "90000mu"]
)
def test_no_space_is_as_wide_as_the_page(length: str) -> None:
    for command in ("hspace", "kern", "mspace"):
        shown = mathematics(rf"\(a\{command}{{{length}}}b\)")
        assert not re.search(r'(width|lspace|rspace)="', shown)
    many = mathematics(r"\(" + r"\hspace{3em}" * 60 + r"\)")
    assert many.count('width="') == 4  # twelve em in all
    assert 'width="1em"' in mathematics(r"\(a\hspace{1em}b\)")


@pytest.mark.slow
def test_truncated_answers_and_a_shared_model_are_named_only_where_there_are_some() -> None:
    plain = Report(figures()).html()
    assert "token limit" not in plain
    costs = {"role": "reasoner", "model": "<b>m</b>", "completions": 9, "cached": 0, "prompt_tokens": 5, "completion_tokens": 6,
             "estimated": 0, "usd": 1.5, "truncated": 1, "truncated_tokens": 40_000}  # fmt: skip
    models = {role: {"model": "<b>m</b>", "revision": ""} for role in ("teacher", "critic")}
    models["student"] = {"model": "other", "revision": ""}
    html = Report(figures(costs=[costs], lineage={"models": models})).html()
    assert "cut off at their token limit: reasoner 40,000 tokens (1 answer left without an end)." in html
    assert "&lt;b&gt;m&lt;/b&gt; is the teacher, the critic; a critic that judges its own solutions" in html
    assert "<b>m</b>" not in html
    embedded = {role: {"model": "embedded", "revision": ""} for role in ("teacher", "critic")}
    assert figures(lineage={"models": embedded}).shared_model == ""


def test_the_correlation_of_length_with_difficulty_is_stated_with_its_interval() -> None:
    rows = [
        Row(
            f"q{i}",
            "en",
            solution="s" * (10 + i),
            solution_format="cot",
            difficulty=((i * 7) % 20) / 20,
            reasoning="t" * (i % 3),
        )
        for i in range(60)
    ]
    table = to_table([*rows, Row("without a solution", "en", difficulty=0.5)])
    correlation = length_by_difficulty([table.slice(0, 30), table.slice(30)])
    assert correlation is not None
    assert correlation.rows == 60
    # scipy's own figure, and an interval that holds it and is as wide as Fisher's for 60 rows, about a quarter either way
    lengths = [len(row.solution or "") + len(row.reasoning or "") for row in rows]
    assert correlation.value == pytest.approx(
        spearmanr(lengths, [row.difficulty for row in rows]).statistic, abs=1e-6
    )
    assert correlation.low < correlation.value < correlation.high
    assert correlation.high - correlation.low == pytest.approx(0.51, abs=0.05)
    ordered = [Row(f"q{i}", "en", solution="s" * (i + 1), difficulty=i / 60) for i in range(60)]
    one = length_by_difficulty([to_table(ordered)])
    assert one is not None
    assert one.low > 0.9
    assert length_by_difficulty([to_table(rows[:5])]) is None
    assert length_by_difficulty([]) is None


@pytest.mark.slow
def test_both_forms_of_the_report_print_the_correlation() -> None:
    report = Report(figures(correlation=RankCorrelation(0.02, -0.2, 0.24, 80)))
    sentence = "+0.02 (95 % from -0.20 to +0.24, 80 rows); the interval holds 0"
    assert sentence in report.html()
    assert sentence in report.markdown(path="x")
    assert "Rank correlation" not in Report(figures()).html()


@pytest.mark.slow
def test_the_page_has_the_matrices_of_interference() -> None:
    value = {
        "by": "source", "base": "student", "sources": ["web", "<b>"], "rows": [8, 9], "loss": [1.0, 2.0],
        "cosine": [[1.0, -0.25], [-0.25, 1.0]], "change": [[-0.5, 0.125], [0.0, -0.75]],
    }  # fmt: skip
    report = Report(figures(interference=value))
    text = report.markdown(path="x")
    assert "| cosine | web | &lt;b\\> |\n|---|--:|--:|\n| web | +1.000 | -0.250 |\n" in text
    assert "| change of the loss | web | &lt;b\\> |\n|---|--:|--:|\n| web | -0.500 | +0.125 |\n" in text
    assert "On the model student, with 8 rows of web, 9 rows of &lt;b\\>, half of them held out." in text
    assert "work on each other" not in Report(figures()).markdown(path="x")
    page = report.html()
    assert "8 rows of web, 9 rows of &lt;b&gt;, half" in page
    assert "-0.250" in page
    assert "+0.125" in page
    assert "&lt;b&gt;" in page
    assert "work on each other" not in Report(figures()).html()


@pytest.mark.slow
def test_the_criteria_of_a_choice_among_solutions_are_compared() -> None:
    criteria = [
        {"criterion": name, "rows": 1200, "characters": 850.4, "agreement": 0.75, "common": share}
        for name, share in (("length", 1.0), ("agreement", 0.4))
    ]
    report = Report(figures(lineage={"traces": {"by": "length", "criteria": criteria}}))
    assert "| agreement | 1,200 | 850 | 0.750 | 0.400 |" in report.markdown(path="x")
    assert "Choice among the solutions of a question" in report.html()
    assert "Choice among" not in Report(figures()).markdown(path="x")


@pytest.mark.slow
def test_the_page_says_how_documents_and_pages_were_read() -> None:
    recall = {
        "positives": 80, "held_out_positives": 20, "held_out_negatives": 40, "recall": 0.95, "precision": 0.875,
        "threshold": 0.1234, "rounds": [100, 90],
    }  # fmt: skip
    lineage = {
        "pages": {"recall": recall, "rare_templates": 3},
        "transcribed": {"models": "<b>eyes</b>", "pages": 1200},
        "inputs": [
            {"file": "a.tex", "undefined_macros": {"imp": 4, "st": 1}},
            {"file": "b.tex", "undefined_macros": {"imp": 2}},
            "seeds",
        ],
    }
    read = figures(lineage=lineage)
    for text in (Report(read).html(), Report(read).markdown(path="x")):
        for part in (
            "95.0%",
            "0.1234",
            "at least 87.5%",
            "2 rounds of negatives (100, 90)",
            "templates on their host: 3",
            "1,200",
            "imp (6)",
        ):
            assert part in text
        assert "<b>eyes" not in text
    assert "Recall of mathematics" not in Report(figures()).html()
