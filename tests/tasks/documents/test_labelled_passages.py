"""What belongs to a labelled exercise, solution or list: in passages of print and Word, and in Markdown."""

from __future__ import annotations

import pytest

from tasks.documents.document import Document
from tasks.documents.exercises import printed_value
from tasks.documents.formats import ReadOptions, reader
from tasks.documents.labelled_passages import Footnote, Passage, labelled_document


def of(*passages: Passage | str) -> list[tuple[str, str | None, str]]:
    every = [Passage(one) if isinstance(one, str) else one for one in passages]
    return elements(labelled_document(every, "T", "pdf"))


def elements(document: Document) -> list[tuple[str, str | None, str]]:
    return [(one.kind, one.label, one.text) for one in document.elements]


def markdown(text: str) -> list[tuple[str, str | None, str]]:
    return elements(reader("markdown").read(text.encode(), "a.md", ReadOptions()))


def test_numbered_items_in_a_labelled_exercise_are_its_parts() -> None:
    heading = Passage("Reading Questions", level=2)
    assert of(
        heading, "Exercise 1. Match each formula.", "1. \\(a\\)", "2. \\(b\\)", "Exercise 2. What is it?"
    ) == [
        ("exercise", "1", "Match each formula.\n\n1. \\(a\\)\n\n2. \\(b\\)"),
        ("exercise", "2", "What is it?"),
    ]
    assert markdown("## Questions\n\n**Exercise 1.** Match.\n\n1. $a$\n2. $b$\n\n## Exercises\n\n1. Find it.\n2. Find that.\n") == [
        ("exercise", "Exercise 1", "Match.\n\n1. \\(a\\)\n\n2. \\(b\\)"),
        ("exercise", "Exercise 1", "Find it."),
        ("exercise", "Exercise 2", "Find that."),
    ]  # fmt: skip


@pytest.mark.parametrize("unfinished", ["So we have", "We get:", "Therefore,", "It is 7. Thus"])
def test_a_sentence_that_is_not_finished_goes_on_in_the_next_passage(unfinished: str) -> None:
    kind, _, text = of(
        "Example 1. What is it?",
        f"Solution. {unfinished}",
        "\\(x = 3 + 4.\\)",
        "and that is 7.",
        "The next topic is other.",
    )[1]
    assert (kind, text) == ("solution", f"{unfinished}\n\n\\(x = 3 + 4.\\)\n\nand that is 7.")


def test_a_text_that_announces_something_is_no_answer() -> None:
    assert printed_value("Consider \\(0.01N\\). We get:") is None
    assert printed_value("\\(0.46\\).") == "0.46"


@pytest.mark.parametrize("title", ["EXERCISES", "Exercises.", "Problem Set", "Review Questions"])
def test_a_title_like_text_begins_a_list_where_a_number_follows(title: str) -> None:
    assert of("A text.", title, "1. Find it.", "2. Find that.") == [
        ("text", None, "A text."),
        ("exercise", "1", "Find it."),
        ("exercise", "2", "Find that."),
    ]
    assert [kind for kind, _, _ in of("A text.", title, "No number follows.")] != [
        "text",
        "exercise",
    ] or title.startswith(("E", "e"))


def test_short_answers_in_one_line_are_divided_and_worked_ones_are_not() -> None:
    heading = Passage("Answers", level=1, size=20.0)
    assert of(heading, Passage("Chapter 1", level=2, size=14.0), "1. 9 cm. 3. Yes. 5. \\(x = 4\\)") == [
        ("answer", "1", "9 cm."),
        ("answer", "3", "Yes."),
        ("answer", "5", "\\(x = 4\\)"),
    ]
    worked = "1. There are 2. " + "This is a long explanation of why that is so. " * 4
    assert [label for _, label, _ in of(heading, worked)] == ["1"]


def test_footnotes_of_some_exercises_are_no_solutions() -> None:
    def asked(number: int, note: bool) -> Passage:
        notes = (Footnote(str(number), "From a contest.", at_end=True),) if note else ()
        return Passage(f"Exercise {number}. What is {number}?", notes=notes)

    some = of(*(asked(number, number < 3) for number in range(1, 6)))
    assert [kind for kind, _, _ in some if kind != "exercise"] == ["footnote", "footnote"]
    nearly_all = of(*(asked(number, number < 5) for number in range(1, 6)))
    assert [kind for kind, _, _ in nearly_all if kind != "exercise"] == ["solution"] * 4


def test_the_solution_of_an_example_in_markdown_is_open_ended() -> None:
    source = "## Counting\n\n**Example.** How many?\n\n**Solution.** Ten.\n\nCareful: not 6.\n\n## Exercises\n\n1. How many?\n\n## Solutions\n\n1. First.\n\n   Then ten.\n"
    document = reader("markdown").read(source.encode(), "a.md", ReadOptions())
    assert [(one.text, one.open_ended) for one in document.elements if one.kind == "solution"] == [
        ("Ten.\n\nCareful: not 6.", True),
        ("First.\n\nThen ten.", False),
    ]


@pytest.mark.parametrize("step", ["\\(x = 3 + 4.\\)", "\\(x = 3 + 4\\)."])
@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ("So \\(x = 7\\).", True),
        ("It is now easy to find \\(x\\).", True),
        ("So far we have added.", False),
        ("The next topic is other.", False),
    ],
)
def test_a_solution_has_the_sentence_that_follows_from_its_formula(step: str, after: str, kept: bool) -> None:
    kind, _, text = of("Example 1. What is it?", "Solution. We have", step, after)[1]
    assert (kind, text) == ("solution", "\n\n".join(["We have", step, *([after] if kept else [])]))


def test_a_table_that_a_solution_announces_is_in_it() -> None:
    table = Passage("| 1 | 2 |\n| --- | --- |\n| 3 | 4 |", kind="table")
    solved = of(
        "Example 1. How many?", "Solution. They are these:", table, "Thus there are 4.", "A new topic."
    )
    assert solved[1] == ("solution", None, f"They are these:\n\n{table.text}\n\nThus there are 4.")
    apart = of("Example 1. How many?", "Solution. There are 4.", table)
    assert [kind for kind, _, _ in apart] == ["example", "solution", "table"]


@pytest.mark.parametrize("step", ["\\(x = 3 + 4\\)", "| \\(x\\) | \\(3 + 4\\) |\n| --- | --- |"])
def test_a_formula_without_a_stop_does_not_end_a_solution(step: str) -> None:
    every = of("Example 1. What is it?", "Solution. We have", step, "To end it we add.", "A new topic.")
    assert every[1:] == [
        ("solution", None, f"We have\n\n{step}\n\nTo end it we add."),
        ("text", None, "A new topic."),
    ]
