"""Knights, who always tell the truth, and knaves, who always lie: who is what follows from what they say.

A puzzle is kept if the solver has exactly one solution for it, and if the deduction reaches it: direct inferences from
what people say, and suppositions that lead to a contradiction.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tasks.problems.machinery.words import NAMES
from tasks.puzzles.models import exactly_one_of, models
from tasks.puzzles.puzzle import Puzzle, drawn, listed

ATTEMPTS: Final = 2_000

# person -> whether a knight
Kinds = dict[int, bool]


@dataclass(frozen=True, slots=True)
class Saying:
    """What a person says. `kind` is a key of CLAIMS; `people` are those whom it names; `number` is that of `count`."""

    kind: str
    people: tuple[int, ...]
    number: int = 0

    @property
    def wording(self) -> str:
        """The key of CLAIMS under which its wordings are: nobody says that exactly 0 of them are knights."""
        if self.kind != "count" or 0 < self.number < len(self.people):
            return self.kind
        return "all" if self.number else "none"

    def holds(self, kinds: Mapping[int, bool]) -> bool:
        """Return whether the claim is true; `kinds` has all people of `about`."""
        values = [kinds[person] for person in self.people]
        match self.kind:
            case "knight":
                return values[0]
            case "knave":
                return not values[0]
            case "both":
                return all(values)
            case "both_knaves":
                return not any(values)
            case "either":
                return any(values)
            case "either_knave":
                return not all(values)
            case "one":
                return values[0] != values[1]
            case "same":
                return values[0] == values[1]
            case "if_knight":
                return not values[0] or values[1]
            case "if_knave":
                return values[0] or not values[1]
            case _:
                return sum(values) == self.number


CLAIMS: Final = {
    "en": {
        "knight": ("{x} is a {good}", "{x} is not a {bad}", "{x} always tells the truth"),
        "knave": ("{x} is a {bad}", "{x} is not a {good}", "{x} always lies"),
        "both": ("{x} and {y} are both {goods}", "neither {x} nor {y} is a {bad}"),
        "both_knaves": ("{x} and {y} are both {bads}", "neither {x} nor {y} is a {good}"),
        "either": ("at least one of {x} and {y} is a {good}", "{x} and {y} are not both {bads}"),
        "either_knave": ("at least one of {x} and {y} is a {bad}", "{x} and {y} are not both {goods}"),
        "one": ("exactly one of {x} and {y} is a {good}", "{x} and {y} are of different kinds"),
        "same": ("{x} and {y} are of the same kind", "{x} is a {good} if and only if {y} is a {good}"),
        "if_knight": ("if {x} is a {good}, then {y} is a {good}",),
        "if_knave": ("if {x} is a {bad}, then {y} is a {bad}",),
        "count": ("exactly {n} of us {are} {kind}", "the number of {goods} among us is {n}"),
        "none": ("none of us is a {good}", "all of us are {bads}"),
        "all": ("all of us are {goods}", "none of us is a {bad}"),
    },
    "zh": {
        "knight": ("{x}是{good}", "{x}不是{bad}", "{x}总说真话"),
        "knave": ("{x}是{bad}", "{x}不是{good}", "{x}总说假话"),
        "both": ("{x}和{y}都是{good}", "{x}和{y}都不是{bad}"),
        "both_knaves": ("{x}和{y}都是{bad}", "{x}和{y}都不是{good}"),
        "either": ("{x}和{y}中至少有一个是{good}", "{x}和{y}不都是{bad}"),
        "either_knave": ("{x}和{y}中至少有一个是{bad}", "{x}和{y}不都是{good}"),
        "one": ("{x}和{y}中恰好有一个是{good}", "{x}和{y}不是同一类人"),
        "same": ("{x}和{y}是同一类人", "{x}是{good}当且仅当{y}是{good}"),
        "if_knight": ("如果{x}是{good}，那么{y}也是{good}",),
        "if_knave": ("如果{x}是{bad}，那么{y}也是{bad}",),
        "count": ("我们当中恰好有{n}个{good}", "我们这些人里有{n}个{good}"),
        "none": ("我们当中没有{good}", "我们都是{bad}"),
        "all": ("我们都是{good}", "我们当中没有{bad}"),
    },
}
KINDS: Final = tuple(kind for kind in CLAIMS["en"] if kind not in ("none", "all"))
# (one who tells the truth, several, one who lies, several)
PEOPLES: Final = {
    "en": (
        ("knight", "knights", "knave", "knaves"),
        ("truth-teller", "truth-tellers", "liar", "liars"),
        ("saint", "saints", "sinner", "sinners"),
    ),
    "zh": (("骑士", "骑士", "无赖", "无赖"), ("老实人", "老实人", "骗子", "骗子"), ("君子", "君子", "小人", "小人")),
}  # fmt: skip
OPENINGS: Final = {
    "en": (
        "On an island everyone is either a {good} or a {bad}. {Goods} always tell the truth and {bads} always lie. You meet {n} of them: {people}.",
        "There are {n} people: {people}. Each of them is a {good}, who says only true things, or a {bad}, who says only false things.",
        "{Goods} never lie and {bads} never tell the truth. Everyone in a village is one or the other, and {n} of its people are {people}.",
    ),
    "zh": (
        "岛上的人不是{good}就是{bad}：{good}只说真话，{bad}只说假话。你遇到了{n}个人：{people}。",
        "{people}这{n}个人，每人要么是{good}，要么是{bad}。{good}总说真话，{bad}总说假话。",
        "有一个村子，村里的{good}从不说谎，{bad}从不说真话，每个人必属其一。村里有{n}个人：{people}。",
    ),
}
SAYINGS: Final = {
    "en": ('{name} says, "{claim}."', '{name} claims: "{claim}."', '"{claim}," {name} tells you.', 'According to {name}: "{claim}."'),
    "zh": ("{name}说：“{claim}。”", "{name}声称：“{claim}。”", "“{claim}。”{name}这样告诉你。", "据{name}讲：“{claim}。”"),
}  # fmt: skip
# of one who has spoken before
AGAIN: Final = {"en": ('{name} also says, "{claim}."',), "zh": ("{name}还说：“{claim}。”",)}
QUESTIONS: Final = {
    "en": {
        "who": ("Which of them are {goods}?", "Name all the {goods} among them.", "Who is a {good} here? Name everyone who is."),
        "number": ("How many of them are {goods}?", "How many {goods} are there among them?"),
        "one": ("Is {name} a {good} or a {bad}?", "What is {name}: a {good} or a {bad}?"),
    },
    "zh": {
        "who": ("他们当中哪些人是{good}？", "请写出其中所有的{good}。", "谁是{good}？请全部写出。"),
        "number": ("他们当中有几个{good}？", "其中{good}有多少人？"),
        "one": ("{name}是{good}还是{bad}？", "请判断{name}是{good}还是{bad}。"),
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Village:
    """People by their number in NAMES, and the claims that they make: (speaker, claim). Speakers are places in `names`."""

    names: tuple[int, ...]
    claims: tuple[tuple[int, Saying], ...]


@dataclass(frozen=True, slots=True)
class Inference:
    """One step: from `known` kinds and what `speaker` says follows `shows`, nothing if they contradict each other. A supposition
    that is refuted has no claim, and the steps that lead to the contradiction in `inside`; `shows` is its opposite."""

    speaker: int
    claim: Saying | None
    known: tuple[tuple[int, bool], ...]
    shows: tuple[tuple[int, bool], ...]
    inside: tuple[Inference, ...] = ()


def draw(rng: random.Random, people: int) -> tuple[Village, list[Inference], Kinds]:
    """Draw a village with exactly one solution that the deduction reaches. Raises ValueError after ATTEMPTS draws."""
    for _ in range(ATTEMPTS):
        names = tuple(rng.sample(range(len(NAMES)), people))
        speakers = list(range(people)) + ([rng.randrange(people)] if rng.random() < 0.3 else [])
        claims = tuple((speaker, _claim(rng, speaker, people)) for speaker in speakers)
        if len(set(claims)) < len(claims):
            continue
        village = Village(names, claims)
        deduced = deduce(village)
        if deduced is None:
            continue
        solutions = solve(village)
        if len(solutions) == 1 and deduced[1] == solutions[0]:
            return village, *deduced
    raise ValueError(f"no puzzle with {people} people in {ATTEMPTS} draws")


def _claim(rng: random.Random, speaker: int, people: int) -> Saying:
    kind = rng.choice(KINDS)
    if kind == "count":
        return Saying(kind, tuple(range(people)), rng.randint(0, people))
    one, other = rng.sample(range(people), 2)
    if kind in ("knight", "knave"):
        return Saying(kind, (one if one != speaker else other,))
    return Saying(kind, (one, other))


def solve(village: Village) -> list[Kinds]:
    """Return up to two solutions, by the solver."""
    people = range(len(village.names))
    rules = [exactly_one_of((f"knight({person})", f"knave({person})")) for person in people]
    for speaker, claim in village.claims:
        for values in itertools.product((True, False), repeat=len(claim.people)):
            # a knight's claim holds and a knave's does not
            wrong = "knave" if claim.holds(dict(zip(claim.people, values, strict=True))) else "knight"
            case = [f"{'knight' if v else 'knave'}({p})" for p, v in zip(claim.people, values, strict=True)]
            rules.append(f":- {', '.join([*case, f'{wrong}({speaker})'])}.")
    shown = models("\n".join(rules))
    return [{person: f"knight({person})" in model for person in people} for model in shown]


def deduce(village: Village) -> tuple[list[Inference], Kinds] | None:
    """Return the steps to the only solution with what everyone is, or None if suppositions do not suffice."""
    steps: list[Inference] = []
    kinds: Kinds = {}
    while True:
        for step in _consequences(village, kinds):
            if not step.shows:
                return None  # no solution
            steps.append(step)
        if len(kinds) == len(village.names):
            return steps, kinds
        refuted = _refutation(village, kinds)
        if refuted is None:
            return None
        steps.append(refuted)
        kinds.update(refuted.shows)


def _consequences(village: Village, kinds: Kinds) -> Iterator[Inference]:
    """Yield direct inferences and add them to `kinds`, until none is left or one is a contradiction."""
    progress = True
    while progress:
        progress = False
        for speaker, claim in village.claims:
            about = tuple(dict.fromkeys((speaker, *claim.people)))
            cases = possible(speaker, claim, kinds)
            known = tuple((person, kinds[person]) for person in about if person in kinds)
            shows = tuple(
                (person, cases[0][person])
                for person in about
                if cases and person not in kinds and len({case[person] for case in cases}) == 1
            )
            if shows or not cases:
                kinds.update(shows)
                progress = True
                yield Inference(speaker, claim, known, shows)
            if not cases:
                return


def possible(speaker: int, claim: Saying, known: Mapping[int, bool]) -> list[Kinds]:
    """Return the kinds of the speaker and of those whom the claim names that agree with `known` and with the claim."""
    about = tuple(dict.fromkeys((speaker, *claim.people)))
    cases = [
        dict(zip(about, values, strict=True))
        for values in itertools.product((True, False), repeat=len(about))
    ]
    return [
        case
        for case in cases
        if all(known.get(person, knight) == knight for person, knight in case.items())
        and claim.holds(case) == case[speaker]
    ]


def _refutation(village: Village, kinds: Kinds) -> Inference | None:
    """Return the shortest supposition that leads to a contradiction, as the step that its opposite holds."""
    best: Inference | None = None
    for person in range(len(village.names)):
        for supposed in (True, False):
            if person in kinds:
                continue
            inside = tuple(_consequences(village, kinds | {person: supposed}))
            if inside and not inside[-1].shows and (best is None or len(inside) < len(best.inside)):
                best = Inference(person, None, (), ((person, not supposed),), needed(inside))
    return best


def needed(steps: Sequence[Inference]) -> tuple[Inference, ...]:
    """Return the steps that the last one rests on, and that one; each shows only what is used."""
    used = {person for person, _ in steps[-1].known}
    kept = [steps[-1]]
    for step in reversed(steps[:-1]):
        shows = tuple(shown for shown in step.shows if shown[0] in used)
        if shows:
            used.update(person for person, _ in step.known)
            kept.append(replace(step, shows=shows))
    return tuple(reversed(kept))


def write(village: Village, steps: Sequence[Inference], kinds: Kinds, rng: random.Random, language: str) -> Puzzle:  # fmt: skip
    """Write the puzzle and its deduction in words."""
    writer = _Writer(village, rng, language)
    says = [writer.says(number) for number in range(len(village.claims))]
    asked = rng.choice(("who", "who", "who", "number", "one"))
    person = rng.randrange(len(village.names))
    ending = writer.words(rng.choice(QUESTIONS[language][asked]), name=writer.name(person))
    knights = [writer.name(one) for one in range(len(village.names)) if kinds[one]]
    answer = {
        "who": (", " if language == "en" else "、").join(knights),
        "number": str(len(knights)),
        "one": writer.kind(kinds[person]),
    }[asked]
    if not answer:
        answer = "没有" if language == "zh" else "none"
    parts = [writer.opening(), *says, ending]
    question = "".join(parts) if language == "zh" else " ".join(parts)
    suppositions = sum(step.claim is None for step in steps)
    sizes = {"people": len(village.names), "claims": len(village.claims), "suppositions": suppositions}
    return Puzzle(
        question,
        tuple(writer.step(step) for step in steps),
        answer,
        min(5, len(village.names) - 1 + (suppositions > 1)),
        sizes,
    )


class _Writer:
    """The words of one puzzle: names, the two kinds of people, and each claim in the wording that it has in the question."""

    def __init__(self, village: Village, rng: random.Random, language: str) -> None:
        self.village, self.rng, self.language = village, rng, language
        self.good, self.goods, self.bad, self.bads = rng.choice(PEOPLES[language])
        self.claims = [
            self.claim(speaker, claim, rng.choice(CLAIMS[language][claim.wording]))
            for speaker, claim in village.claims
        ]

    def name(self, person: int) -> str:
        return NAMES.show(self.village.names[person], self.language)

    def kind(self, knight: bool) -> str:
        return self.good if knight else self.bad

    def words(self, template: str, **more: object) -> str:
        return template.format(
            good=self.good, goods=self.goods, bad=self.bad, bads=self.bads, Goods=self.goods.capitalize(), **more
        )  # fmt: skip

    def claim(self, speaker: int, claim: Saying, template: str) -> str:
        # nobody calls himself by his name in Chinese; the English wordings name everyone, as the verb would change
        names = ["我" if self.language == "zh" and one == speaker else self.name(one) for one in claim.people]
        x, y = (*names, names[0])[:2]
        one = claim.number == 1
        return self.words(
            template,
            x=x,
            y=y,
            n=claim.number,
            are="is" if one else "are",
            kind=f"a {self.good}" if one else self.goods,
        )

    def opening(self) -> str:
        people = listed([self.name(person) for person in range(len(self.village.names))], self.language)
        return self.words(self.rng.choice(OPENINGS[self.language]), people=people, n=len(self.village.names))

    def says(self, number: int) -> str:
        text = self.claims[number]
        speaker, _ = self.village.claims[number]
        shown = text[0].upper() + text[1:] if self.language == "en" else text
        spoken = any(before == speaker for before, _ in self.village.claims[:number])
        form = self.rng.choice((AGAIN if spoken else SAYINGS)[self.language])
        return form.format(name=self.name(speaker), claim=shown)

    def is_(self, person: int, knight: bool) -> str:
        if self.language == "zh":
            return f"{self.name(person)}是{self.kind(knight)}"
        return f"{self.name(person)} is a {self.kind(knight)}"

    def all_are(self, kinds: Sequence[tuple[int, bool]]) -> str:
        clauses = [self.is_(person, knight) for person, knight in kinds]
        return "，".join(clauses) if self.language == "zh" else listed(clauses, self.language)

    def step(self, step: Inference, supposed_before: int | None = None) -> str:
        """Write a step. supposed_before: of whom the sentence before has supposed what he or she is."""
        shown = self.all_are(step.shows)
        if step.claim is None:
            ((person, knight),) = step.shows
            first, *rest = step.inside
            supposed = self.is_(person, not knight)
            inside = [self.step(first, person), *map(self.step, rest)]
            if self.language == "zh":
                return f"假设{supposed}。{''.join(inside)}所以{shown}。"
            return f"Suppose that {supposed}. {' '.join(inside)} So {shown}."
        number = self.village.claims.index((step.speaker, step.claim))
        words = {
            "name": self.name(step.speaker),
            "claim": self.claims[number],
            "shown": shown,
            "good": self.good,
            "bad": self.bad,
        }
        others = [one for one in step.known if one[0] != step.speaker]
        kind = dict(step.known).get(step.speaker)
        reasons = _REASONS[self.language]
        if kind is None:
            decided = {step.claim.holds(case) for case in possible(step.speaker, step.claim, dict(others))}
            if not step.shows:
                form = "neither"
            elif step.speaker not in dict(step.shows):
                form = "either way"
            elif _decided(step):
                form = "true" if True in decided else "false"
            else:
                form = "not bad" if dict(step.shows)[step.speaker] else "not good"
        else:
            form = ("good" if kind else "bad") + ("" if step.shows else ", contradiction")
            if step.speaker == supposed_before:
                form = f"then {form}"
        given = reasons["given"].format(known=self.all_are(others)) if others else ""
        text = reasons[form].format(given=given, **words)
        return text[0].upper() + text[1:]


def _decided(step: Inference) -> bool:
    """Return whether what is known decides if the claim is true, whatever its speaker is."""
    assert step.claim is not None
    known = dict(step.known)
    open_ = [person for person in dict.fromkeys(step.claim.people) if person not in known]
    cases = itertools.product((True, False), repeat=len(open_))
    return len({step.claim.holds(known | dict(zip(open_, case, strict=True))) for case in cases}) == 1


# {given}: the clause `given`, if anything is known besides the speaker's kind
_REASONS: Final = {
    "en": {
        "given": "since {known}, ",
        "good": '{name} is a {good}, so it is true that "{claim}"; {given}{shown}.',
        "bad": '{name} is a {bad}, so it is false that "{claim}"; {given}{shown}.',
        "then good": 'Then it is true that "{claim}"; {given}{shown}.',
        "then bad": 'Then it is false that "{claim}"; {given}{shown}.',
        "then good, contradiction": 'Then "{claim}" should be true; {given}it is false: a contradiction.',
        "then bad, contradiction": 'Then "{claim}" should be false; {given}it is true: a contradiction.',
        "good, contradiction": '{name} is a {good}, so "{claim}" should be true; {given}it is false: a contradiction.',
        "bad, contradiction": '{name} is a {bad}, so "{claim}" should be false; {given}it is true: a contradiction.',
        "true": '{given}what {name} says is true ("{claim}"), so {shown}.',
        "false": '{given}what {name} says is false ("{claim}"), so {shown}.',
        "not good": '{given}{name} cannot be a {good}, because "{claim}" would then be false, so {shown}.',
        "not bad": '{given}{name} cannot be a {bad}, because "{claim}" would then be true, so {shown}.',
        "either way": '{given}what {name} says ("{claim}") fits a {good} and a {bad} only if {shown}.',
        "neither": '{given}"{claim}" fits neither a {good} nor a {bad}, but {name} says it: a contradiction.',
    },
    "zh": {
        "given": "因为{known}，",
        "good": "{name}是{good}，所以“{claim}”是真话；{given}可知{shown}。",
        "bad": "{name}是{bad}，所以“{claim}”是假话；{given}可知{shown}。",
        "then good": "那么“{claim}”是真话；{given}可知{shown}。",
        "then bad": "那么“{claim}”是假话；{given}可知{shown}。",
        "then good, contradiction": "那么“{claim}”应为真话；{given}它却是假的，矛盾。",
        "then bad, contradiction": "那么“{claim}”应为假话；{given}它却是真的，矛盾。",
        "good, contradiction": "{name}是{good}，“{claim}”应为真话；{given}它却是假的，矛盾。",
        "bad, contradiction": "{name}是{bad}，“{claim}”应为假话；{given}它却是真的，矛盾。",
        "true": "{given}{name}说的“{claim}”是真话，所以{shown}。",
        "false": "{given}{name}说的“{claim}”是假话，所以{shown}。",
        "not good": "{given}{name}不可能是{good}，否则“{claim}”就成了假话，所以{shown}。",
        "not bad": "{given}{name}不可能是{bad}，否则“{claim}”就成了真话，所以{shown}。",
        "either way": "{given}无论{name}是{good}还是{bad}，要让“{claim}”说得通，只能{shown}。",
        "neither": "{given}“{claim}”既不合{good}也不合{bad}，而{name}却这样说，矛盾。",
    },
}


def puzzle(rng: random.Random, settings: Mapping[str, Any], language: str) -> Puzzle:
    """Draw and write a puzzle with the number of people of the settings."""
    village, steps, kinds = draw(rng, drawn(rng, settings, "people"))
    return write(village, steps, kinds, rng, language)
