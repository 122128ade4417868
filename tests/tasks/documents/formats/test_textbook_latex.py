"""A real textbook in LaTeX, compared with what plain regular expressions find in its files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.documents.document import Document, Element
from tasks.documents.formats import ReadOptions
from tasks.documents.formats.latex import included, is_part, read
from tasks.documents.matching import joined, match_printed
from tasks.documents.sections import number_of

BOOK = Path(__file__).parents[5] / "shared/data/textbooks/openintro_statistics"
pytestmark = pytest.mark.skipif(not BOOK.is_dir(), reason=f"no folder {BOOK.name} in shared/data/textbooks")
CHAPTERS = sorted(path.name for path in BOOK.iterdir()) if BOOK.is_dir() else []


def source(path: Path) -> str:
    return re.sub(r"(?m)(?<!\\)%.*", lambda comment: " " * len(comment[0]), path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request: pytest.FixtureRequest) -> tuple[Path, Document]:
    folder = BOOK / request.param
    files = {f"{folder.name}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.tex"))}
    main = f"{folder.name}/{folder.name}.tex"
    document = read(files[main], main, ReadOptions(files))
    inside = {Path(one).name for one in included(files[main], main)}
    others = [
        name
        for name in files
        if name != main
        and Path(name).name not in inside
        and (is_part(files[name], name) or "solutions" in name)
    ]
    result = joined(document, [(name, read(files[name], name, ReadOptions())) for name in others])
    match_printed(result)
    return folder, result


def in_file(document: Document, folder: Path, name: str) -> list[Element]:
    main = f"{folder.name}.tex"
    return [one for one in document.elements if Path(one.part or main).name == name]


@pytest.mark.slow
def test_every_exercise_with_a_printed_solution_is_found_and_no_other(chapter: tuple[Path, Document]) -> None:
    folder, document = chapter
    numbered: dict[str, str] = {}  # number in the comment -> beginning of the exercise
    printed: dict[str, str] = {}
    for path in sorted(folder.glob("*.tex")):
        text = path.read_text(encoding="utf-8")
        for number, what, start in re.findall(r"(?m)^% (\d+)\n\s*\\(eocesol|eoce)\{(.{20})", text, re.DOTALL):
            (numbered if what == "eoce" else printed)[number] = start
    pairs = {
        number_of(document.elements[one.of].label): one
        for one in document.elements
        if one.of is not None and Path(one.part or "").name.startswith("odd_")
    }
    assert set(pairs) == {number for number in printed if number in numbered}  # recall and precision are 1
    for number, solution in pairs.items():
        exercise = document.elements[solution.of or 0]
        assert span(folder, exercise).split("\n", 1)[0][:20] in "\\eoce{" + numbered[str(number)]
        assert printed[str(number)][:20] in span(folder, solution)


def test_every_guided_practice_has_the_footnote_that_follows_it(chapter: tuple[Path, Document]) -> None:
    folder, document = chapter
    text = source(folder / f"{folder.name}.tex")
    environments = [match.end() for match in re.finditer(r"\\begin\{nexercise\}", text)]
    notes = [match.start() for match in re.finditer(r"\\footnotetext\{", text)]
    elements = in_file(document, folder, f"{folder.name}.tex")
    exercises = [one for one in elements if one.kind == "exercise"]
    assert len(exercises) == len(environments)
    pairs = [
        (document.elements[one.of], one) for one in elements if one.kind == "solution" and one.of is not None
    ]
    practice = [(one, other) for one, other in pairs if one.kind == "exercise"]
    marked = [one for one in exercises if "\\footnotemark" in span(folder, one)]
    assert [exercise for exercise, _ in practice] == marked
    starts = [len(text[:note].encode()) + len("\\footnotetext") for note in notes]
    assert [solution.start for _, solution in practice] == starts  # the marks and the texts have one order


def test_every_example_has_its_solution(chapter: tuple[Path, Document]) -> None:
    folder, document = chapter
    text = source(folder / f"{folder.name}.tex")
    stated = len(re.findall(r"\\begin\{nexample\}\{", text))
    solved = [
        one for one in document.elements if one.of is not None and document.elements[one.of].kind == "example"
    ]
    assert len(solved) == stated


def test_spans_hold_the_words_of_their_elements(chapter: tuple[Path, Document]) -> None:
    folder, document = chapter
    odd = 0
    for one in document.elements:
        own = span(folder, one)
        text = re.sub(
            r"\A(?:\*\*(?:Figure|Table) \d+\.\*\*\n\n(?:\|.*\n)+)+", "", one.text
        )  # what it refers to
        plain = re.sub(r"\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\[Figure", " ", text)
        unknown = [word for word in re.findall(r"[A-Za-z]{3,}", plain) if word not in own]
        # the label of what is referred to, and the text of a macro that the chapter defines, are elsewhere
        odd += bool(unknown) and not re.search(r"\\ref|\\[a-z]*(?:question|fashion)", own)
    assert odd <= 0.01 * len(document.elements)


def test_no_macro_is_left_in_words(chapter: tuple[Path, Document]) -> None:
    _, document = chapter
    for one in document.elements:
        words = re.sub(r"\\\(.*?\\\)|\\\[.*?\\\]|```.*?```", "", one.text, flags=re.DOTALL)
        assert not re.search(r"\\[A-Za-z]+|\\begin", words), one


def span(folder: Path, element: Element) -> str:
    path = folder / Path(element.part or f"{folder.name}.tex").name
    return path.read_bytes()[element.start : element.end].decode()


def test_exercises_have_the_tables_they_refer_to_and_lack_no_other(chapter: tuple[Path, Document]) -> None:
    folder, document = chapter
    text = "\n".join(source(path) for path in sorted(folder.glob("*.tex")))
    tabular = set()  # the labels of figures and tables that are made of text
    for name, body in re.findall(r"\\begin\{(figure|table)\}(.*?)\\end\{\1\}", text, re.DOTALL):
        tabular.update(
            re.findall(r"\\label\{([^{}]*)\}", body) if name and "\\begin{tabular}" in body else []
        )
    for one in document.elements:
        if one.kind != "exercise":
            continue
        own = span(folder, one)
        keys = re.findall(r"\\v?ref\{([^{}]*)\}", own)
        shown = {key for key in keys if key in tabular}
        if re.match(r"\*\*(?:Figure|Table) \d+\.\*\*", one.text):
            assert shown, one
        elif not one.refers:
            assert not shown or "\\begin{tabular}" in own, one
