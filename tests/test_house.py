"""The rules of the repository that a program can check: layers and names."""

from __future__ import annotations

import ast
import importlib
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest

from flows import nightly
from flows.config.nightly import Nightly
from flows.config.sections import BudgetSettings, GateSettings, MaterialSettings
from flows.runner.stages import Stage
from tasks.settings import Section
from tasks.stages.score import ScoreSettings
from tasks.voting import prior

ROOT = Path(__file__).resolve().parent.parent
# who may import whom
MAY = {
    "flows": {"flows", "tasks", "prompts", "storage"},
    "tasks": {"tasks", "prompts", "storage"},
    "prompts": {"prompts"},
    "storage": {"storage"},
}


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


@cache
def import_statements(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """The imports of a module, those under TYPE_CHECKING and inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))


def imported(path: Path) -> set[str]:
    names = set()
    for node in import_statements(path):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", MAY)
def test_imports_point_one_way(package: str) -> None:
    wrong = {
        str(path.relative_to(ROOT)): sorted(names)
        for path in sources(package)
        if (names := (imported(path) & set(MAY)) - MAY[package])
    }
    assert not wrong


@pytest.mark.parametrize("package", ["tasks", "prompts", "storage"])
def test_only_flows_imports_prefect(package: str) -> None:
    assert not [path for path in sources(package) if {"prefect", "flows"} & imported(path)]


def test_the_rule_would_see_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import os\nfrom prefect.artifacts import x\n")
    assert "prefect" in imported(wrong)


def modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    named = {}
    for package in MAY:
        for path in sources(package):
            parts = path.relative_to(ROOT).with_suffix("").parts
            named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imports_of(path: Path, known: Mapping[str, Path]) -> set[str]:
    """The project modules that a module imports."""
    edges = set()
    for node in import_statements(path):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            edges |= {
                name if (name := f"{node.module}.{alias.name}") in known else node.module
                for alias in node.names
            }
        elif isinstance(node, ast.Import):
            edges |= {alias.name for alias in node.names}
    return edges & known.keys()


def cycle_in(edges: Mapping[str, set[str]]) -> list[str]:
    """A cycle of modules that import each other; empty if there is none."""
    sorter = TopologicalSorter(edges)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def test_no_modules_import_each_other() -> None:
    known = modules()
    assert cycle_in({name: imports_of(path, known) - {name} for name, path in known.items()}) == []


def test_a_cycle_would_be_seen() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "c", "b", "a"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_a_stage_of_the_night_has_one_name() -> None:
    """The constant in flows/nightly.py, the id, the module in tasks/stages/ and the function in it."""
    stages = {name: value for name, value in vars(nightly).items() if isinstance(value, Stage)}
    # with the two scorers that have a stage each in place of SCORE, these are the stages of docs/architecture.md
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Contract 1")[0]
    documented = set(re.findall(r"^\| `(\w+)` \| .* \| .* \|", table, re.MULTILINE))
    names = {stage.name for stage in stages.values()} - {"score"}
    assert names | set(ScoreSettings().scorers) <= documented
    assert len(names | set(ScoreSettings().scorers)) == 18
    for name, stage in stages.items():
        module = importlib.import_module(f"tasks.stages.{stage.name}")
        assert name.lower() == stage.name
        assert callable(getattr(module, stage.name))
        assert getattr(nightly, stage.name, None) in (getattr(module, stage.name), None)


def test_a_stage_of_the_night_has_a_settings_class_that_is_in_its_configuration() -> None:
    """Every section of stages is a stage's class, or put together from the classes of the stages that share it."""
    stages = [value for value in vars(nightly).values() if isinstance(value, Stage)]
    sections = {type(getattr(Nightly(), name)) for name in Nightly.model_fields}
    for stage in stages:
        assert stage.settings is not None
        assert any(issubclass(section, stage.settings) for section in sections), stage.name
    of_stages = {stage.settings for stage in stages}
    of_the_run = {BudgetSettings, GateSettings, MaterialSettings}
    for section in sections - of_the_run:
        if issubclass(section, Section):
            parts = [part for part in of_stages if part is not None and issubclass(section, part)]
            assert set(section.model_fields) == {name for part in parts for name in part.model_fields}


def test_the_stages_are_declared_in_the_order_in_which_they_run() -> None:
    """The constants of flows/nightly.py, and flows.nightly.Judging, from which nights and rebuilds take their order."""
    declared = [value.name for value in vars(nightly).values() if isinstance(value, Stage)]
    judging = nightly.Judging(Nightly(), prior(), lambda: None)  # type: ignore[arg-type, return-value]
    steps = [step.stage for step in [*judging.votes(), *judging.decision()]]
    scorers = ScoreSettings().scorers
    order = ["score" if stage.name in scorers else stage.name for stage in steps]
    assert order == ["verify", "score", "score", "weigh", "dedup", "decontaminate"]
    assert sorted(order, key=declared.index) == order


def test_no_top_level_module_shadows_a_library() -> None:
    libraries = {name.split(".")[0] for name in metadata.packages_distributions()} - set(MAY)
    ours = {
        path.name.removesuffix(".py") for path in ROOT.iterdir() if path.suffix == ".py" or path.name in MAY
    }
    assert not ours & (libraries | set(sys.stdlib_module_names))


def test_no_module_is_named_by_no_idea() -> None:
    names = [path for package in MAY for path in sources(package)]
    assert not [path for path in names if path.stem in {"utils", "helpers", "common", "misc"}]


# names that do not describe their content, and words that the glossary replaces
EMPTY_NAMES = {
    "found", "said", "told", "made", "picked", "wanted", "begun", "mend", "settle", "whoever", "lane", "lanes",
    "booking", "hygiene", "slip", "slips",
}  # fmt: skip
# parsing takes most of the time of this file, so modules without any of the words are not parsed
EMPTY_NAME = re.compile(rf"\b_*(?:{'|'.join(sorted(EMPTY_NAMES))})_*\b", re.IGNORECASE)
# keys of stored certificates and of `doctor --json`
STORED_KEYS = {("tasks/decontamination/certificate.py", "found"), ("flows/cli/doctor.py", "mend")}


def bound_names(source: str) -> set[str]:
    """The names that a module binds: variables, attributes, parameters, functions and classes."""
    bound = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
    return bound


@pytest.mark.slow
def test_names_say_what_they_hold() -> None:
    empty = {
        (str(path.relative_to(ROOT)), name)
        for package in (*MAY, "tests", "benchmarks", "examples", "docs")
        for path in sources(package)
        if EMPTY_NAME.search(source := path.read_text(encoding="utf-8"))
        for name in bound_names(source)
        if name.strip("_").lower() in EMPTY_NAMES
    }
    assert empty == STORED_KEYS


def test_an_empty_name_would_be_seen() -> None:
    assert bound_names("def f(said):\n    found = said\n    self.told = 1") == {"f", "said", "found", "told"}


def types_of(source: str) -> set[str]:
    """The public classes and type aliases at the top level of a module. Type variables and constants are neither."""
    types = set()
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name):
                types.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
                types.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not isinstance(value, ast.Call):
                if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name):
                    types.add(name)
    return {name for name in types if not name.startswith("_")}


def test_no_two_types_have_one_name() -> None:
    """No plug-in contract needs an exception: plug-ins define functions, and classes of a name of their own."""
    modules_of: dict[str, list[str]] = {}
    for package in MAY:
        for path in sources(package):
            for name in types_of(path.read_text(encoding="utf-8")):
                modules_of.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in modules_of.items() if len(paths) > 1}


def test_the_types_of_a_module_are_seen() -> None:
    source = "class A: pass\nPairs = list[tuple[str, str]]\nU64: TypeAlias = int\nT = TypeVar('T')\nLIMIT = 3\n_B = int"
    assert types_of(source) == {"A", "Pairs", "U64"}


# words that the glossary replaces, and house metaphors; in docstrings and comments, outside of `code`
HOUSE_WORDS = re.compile(r"\b(?:mend(?:s|ed|ing)?|settle[sd]?|begun|whoever|booking|hygiene|lanes?|slips?)\b")
IMAGES = re.compile(r"\b(?:told|tonight|town|tap|the night's work)\b")
DESCRIBED = ("flows", "tasks", "prompts", "storage", "tests", "benchmarks", "examples", "docs")
IN_CODE_MARKS = re.compile(r"`[^`\n]*`|noqa:.*")


def descriptions(source: str) -> list[str]:
    """The docstrings and comments of a module, without the code in them."""
    tree = ast.parse(source)
    texts = [
        docstring
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and (docstring := ast.get_docstring(node))
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    texts += [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [IN_CODE_MARKS.sub("", text) for text in texts]


@pytest.mark.parametrize("folder", DESCRIBED)
def test_descriptions_are_plain(folder: str) -> None:
    banned = [HOUSE_WORDS] if folder == "flows" else [HOUSE_WORDS, IMAGES]
    wrong = {
        (str(path.relative_to(ROOT)), match.group())
        for path in sources(folder)
        if "e2e" not in path.parts
        for source in [path.read_text(encoding="utf-8")]
        if any(words.search(source) for words in banned)
        for text in descriptions(source)
        for words in banned
        for match in words.finditer(text)
    }
    assert not wrong


def test_a_word_that_is_not_plain_would_be_seen() -> None:
    (text, comment) = descriptions('"""Nobody mended `settle`."""\nx = 1  # the tap  # noqa: told')
    assert HOUSE_WORDS.findall(text) == ["mended"]
    assert IMAGES.findall(comment) == ["tap"]


def test_no_key_or_environment_file_is_tracked() -> None:
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert not [name for name in tracked.stdout.split() if Path(name).name == ".env"]


# what reads a text, by Python or Arrow, and by SQL; `rejected` is for people, code compares `reason`
READS = {
    "startswith", "endswith", "split", "rsplit", "splitlines", "partition", "rpartition", "removeprefix",
    "removesuffix", "match", "search", "fullmatch", "findall", "finditer", "sub", "match_substring",
    "match_substring_regex", "starts_with", "ends_with", "extract_regex", "split_pattern", "split_pattern_regex",
    "replace_substring", "replace_substring_regex", "find_substring", "find_substring_regex", "match_like",
}  # fmt: skip
READS_IN_SQL = re.compile(
    r"\b(?:split_part|str_split\w*|regexp_\w+|starts_with|ends_with|contains|instr|strpos|substr\w*|left)\s*\(\s*[\w.]*\brejected\b"
    r"|\brejected\s+(?:not\s+)?(?:i?like|glob|similar)\b|\brejected\s*(?:!?~|=\s*'|<>|!=)",
    re.IGNORECASE,
)


def text_readers(source: str) -> list[int]:
    """The lines that look into the text of the column `rejected`, directly or by a name that it was bound to."""
    lines = []
    tree = ast.parse(source)
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]:
        bound: set[str] = set()
        for _ in range(3):  # names bound to names
            for node in ast.walk(scope):
                match node:
                    case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_text(value, bound):
                        bound.add(name)
                    case ast.comprehension(target=ast.Name(id=name), iter=value) if _is_text(value, bound):
                        bound.add(name)
                    case ast.For(target=ast.Name(id=name), iter=value) if _is_text(value, bound):
                        bound.add(name)
        for node in ast.walk(scope):
            match node:
                case ast.Call(func=ast.Attribute(attr=name, value=owner), args=args) if name in READS:
                    if any(_is_text(part, bound) for part in (owner, *args)):
                        lines.append(node.lineno)
                case ast.Constant(value=str(text)) if READS_IN_SQL.search(text):
                    lines.append(node.lineno)
    return lines


def _is_text(node: ast.AST, bound: set[str]) -> bool:
    """Whether an expression is the text of `rejected`, or a column of it: however it is reached or filled."""
    match node:
        case ast.Name(id=name):
            return name in bound
        case ast.Attribute(attr="rejected") | ast.Subscript(slice=ast.Constant(value="rejected")):
            return True
        case ast.Call(func=ast.Attribute(attr="column" | "get") | ast.Name(id="column"), args=args) if any(
            isinstance(arg, ast.Constant) and arg.value == "rejected" for arg in args
        ):
            return True
        case ast.Call(func=ast.Attribute(value=owner), args=args):
            return any(_is_text(part, bound) for part in (owner, *args))
    return False


def test_no_code_reads_the_text_of_a_reason() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}:{line}"
        for package in MAY
        for path in sources(package)
        if "rejected" in (source := path.read_text(encoding="utf-8")).lower()
        for line in text_readers(source)
    }
    assert not wrong, "compare `reason` (storage/reasons.py), not the text in `rejected`"


@pytest.mark.parametrize(
    "source",
    [
        'if row["rejected"].startswith("verify: "): pass',
        "row.rejected.split(': ', 2)",
        'words = [why.split() for why in column(table, "rejected") if why]',
        'pc.match_substring(table.column("rejected"), "x")',
        'reasons = table.column("rejected")\npc.match_substring_regex(reasons, "x")',
        "SQL = \"SELECT 1 FROM rejected WHERE split_part(rejected, ':', 1) = 'weigh'\"",
        "SQL = \"SELECT 1 FROM rows WHERE rejected LIKE 'verify%'\"",
    ],
)
def test_the_rule_would_see_a_reader_of_the_text(source: str) -> None:
    assert text_readers(source)


COUNTED = re.compile(
    r" (?:[a-z-]+ )?(?:rows|items|questions|calls|steps|versions|answers|records|completions|samples|processes|nights|entries)\b"
)
# what stands before the noun is no number, or a limit far from 1, or the text is stored or a unit
NOT_COUNTED = {
    ("flows/runner/progress.py", "speed"),
    ("flows/runner/progress.py", "self._done / seconds"),
    ("storage/datasets/evolution.py", "name"),
    ("storage/rows.py", "table.num_rows"),
    ("tasks/decontamination/certificate.py", "share"),
    ("tasks/decontamination/certificate.py", "of"),
    ("tasks/llm/caller.py", "address.name"),
    ("tasks/llm/caller.py", "name"),
    ("tasks/llm/runtime.py", "address.name"),
    ("tasks/reports/figures.py", "counted(figures['labelled'], 'solution')"),
    ("tasks/training/config.py", "self.micro()"),
}
WRITTEN_AS_THEY_ARE = ("tasks/problems/", "tasks/teacher/")  # what they write enters keys of the ledger


def uncounted(source: str) -> list[tuple[int, str]]:
    """Return line and expression of each value in an f-string with a plural noun behind it."""
    values = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, text in pairwise(node.values):
                if (
                    isinstance(value, ast.FormattedValue)
                    and isinstance(text, ast.Constant)
                    and COUNTED.match(str(text.value))
                ):
                    values.append((node.lineno, ast.unparse(value.value)))
    return values


@pytest.mark.slow
def test_numbers_and_nouns_agree() -> None:
    wrong = []
    for package in MAY:
        for path in sources(package):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(WRITTEN_AS_THEY_ARE):
                wrong += [
                    f"{name}:{line}: {value}: use storage.counting.counted"
                    for line, value in uncounted(path.read_text(encoding="utf-8"))
                    if (name, value) not in NOT_COUNTED
                ]
    assert wrong == []


def test_a_number_before_a_plural_would_be_seen() -> None:
    assert uncounted('f"{n} rows, {m:,} held-out items of {name}"') == [(1, "n"), (1, "m")]
    assert uncounted("f\"{counted(n, 'row')} of {name}\"") == []


# the modules that may import what an extra brings: they say how to install it where it is missing
OF_EXTRAS = (
    "flows/runner/task_runners.py",
    "tasks/dedup/workers.py",
    "tasks/evaluation/harness.py",
    "tasks/evaluation/web_pages.py",
    "tasks/ingestion/sources.py",
    "tasks/llm/aws_signing.py",
    "tasks/sandbox/inside/server.py",  # imports its neighbours as top-level modules
    "tasks/training/",
)


def test_what_is_imported_is_declared_as_a_dependency() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    core = {_distribution(requirement) for requirement in declared}
    distributions = metadata.packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for package in MAY
        for path in sources(package)
        for name in imported(path) - MAY.keys() - sys.stdlib_module_names
        if not core & {_distribution(each) for each in distributions.get(name, [name])}
        and not str(path.relative_to(ROOT)).startswith(OF_EXTRAS)
    }
    assert undeclared == set()


def _distribution(requirement: str) -> str:
    """The normalised name of a requirement, as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>!~; ]", requirement)[0]).lower()
