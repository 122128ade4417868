"""Deductions in several steps about things without a meaning, so that nothing but the form of the facts decides.

A proof is grown backwards from what it shows, by the rules of RULES; the facts that it ends in are given, in any order and among
others that it does not need. The hypothesis is what was proved, its negation, or something that neither follows nor is refuted
once a fact of the proof is left out. The solver decides which of the three it is.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from tasks.problems.machinery.slots import Words
from tasks.puzzles.models import models
from tasks.puzzles.puzzle import Puzzle, capital, drawn, listed

ATTEMPTS: Final = 400
THING: Final = -1  # the individual of a statement about anything

PREDICATES: Final = Words(
    en=(
        "blimmy", "crozal", "dultish", "fendic", "grimpy", "harbous", "jolvent", "kestic", "lompous", "morvish", "nubric", "ostal",
        "plendy", "quorish", "rastic", "sornal", "tumbric", "ulvish", "vorpy", "wexal", "yandic", "zelmous", "brindic", "clorfy",
    ),
    zh=(
        "布利", "克罗", "杜提", "芬迪", "格皮", "哈布", "约文", "凯提", "隆普", "莫维", "努里", "奥斯",
        "普伦", "阔里", "拉提", "索纳", "图布", "乌维", "沃皮", "维克", "扬迪", "泽莫", "布林", "洛菲",
    ),
)  # fmt: skip
INDIVIDUALS: Final = Words(
    en=("Arko", "Bexil", "Corvun", "Dazra", "Elmot", "Fyrid", "Gorlo", "Hespa", "Ixul", "Jandor", "Korvi", "Luthen"),
    zh=("阿尔柯", "贝西尔", "科尔文", "达兹拉", "埃莫特", "菲里德", "戈尔洛", "赫斯帕", "伊苏尔", "扬多尔", "柯维", "卢森"),
)  # fmt: skip


class Predication(NamedTuple):
    """That an individual, or anything (THING), has a predicate, or that it does not."""

    predicate: int
    individual: int
    holds: bool

    def negated(self) -> Predication:
        """Return the opposite."""
        return self._replace(holds=not self.holds)


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact: all `conditions` together imply `statements`, of which one holds (`or`) or all do (`and`)."""

    conditions: tuple[Predication, ...]
    statements: tuple[Predication, ...]
    joined: Literal["and", "or"] = "and"

    def clauses(self, individuals: Iterable[int]) -> list[tuple[Predication, ...]]:
        """Return the fact as clauses, of which each has a statement that holds, for each individual that it is about."""
        general = any(one.individual == THING for one in (*self.conditions, *self.statements))
        clauses = []
        for individual in individuals if general else (THING,):
            without = [one.negated() for one in self._of(self.conditions, individual)]
            ends = self._of(self.statements, individual)
            clauses += [(*without, *ends)] if self.joined == "or" else [(*without, end) for end in ends]
        return clauses

    def about(self, individuals: Iterable[int]) -> set[Predication]:
        """Return the statements that the fact consists of, for each individual that it is about."""
        return {one for clause in self.clauses(individuals) for one in clause}

    @staticmethod
    def _of(statements: Sequence[Predication], individual: int) -> list[Predication]:
        return [one._replace(individual=individual) if one.individual == THING else one for one in statements]


@dataclass(frozen=True, slots=True)
class ProofStep:
    """A step of a proof: by a rule of RULES `shows` follows from facts and from what other steps show."""

    rule: str
    shows: Predication
    facts: tuple[Fact, ...]
    premises: tuple[ProofStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Theory:
    """Facts, a hypothesis, whether it is `proved`, `disproved` or `unknown`, and the proof of it or of its opposite."""

    facts: tuple[Fact, ...]
    individuals: tuple[int, ...]
    hypothesis: Predication
    label: Literal["proved", "disproved", "unknown"]
    proof: ProofStep | None
    depth: int


LABELS: Final = {
    "en": {"proved": "proved", "disproved": "disproved", "unknown": "unknown"},
    "zh": {"proved": "真", "disproved": "假", "unknown": "无法确定"},
}
OPENINGS: Final = {
    "en": ("Consider these facts.", "The following facts are given.", "Suppose that the following is known."),
    "zh": ("已知下列事实。", "给出以下事实：", "设下面各条都成立。"),
}
QUESTIONS: Final = {
    "en": (
        'Hypothesis: {h}. Is it proved, disproved or unknown by these facts?',
        'Do these facts prove or disprove that {h}? Answer "proved", "disproved" or "unknown".',
        'From these facts alone, decide whether the claim "{h}" is proved, disproved or unknown.',
    ),
    "zh": (
        "假设：{h}。由上述事实，它为真、为假，还是无法确定？",
        "根据这些事实，“{h}”是真、是假，还是无法确定？",
        "仅凭以上事实判断“{h}”：回答“真”“假”或“无法确定”。",
    ),
}  # fmt: skip
# {c}: the conditions; {s}: what follows; {properties}: the conditions of anything, as properties
RULES_IN_WORDS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "en": {
        "about": ("If {c}, then {s}.", "{s} if {c}.", "Whenever {c}, {s}."),
        "general": ("Anything that is {properties} is {end}.", "If something is {properties}, then it is {end}.", "Everything that is {properties} is {end}."),
        "or": ("{a} or {b}.", "At least one of these holds: {a}; {b}."),
        "and": ("{a} and {b}.", "It is true that {a} and that {b}."),
        "plain": ("{a}.", "It is known that {a}."),
    },
    "zh": {
        "about": ("如果{c}，那么{s}。", "只要{c}，就有{s}。"),
        "general": ("凡是{properties}东西都{end}。", "如果某物{is_}，那么它{end}。"),
        "or": ("{a}，或者{b}。", "以下至少有一条成立：{a}；{b}。"),
        "and": ("{a}，并且{b}。", "{a}，而且{b}。"),
        "plain": ("{a}。", "已知{a}。"),
    },
}  # fmt: skip
# {k}: the numbers of the facts; {p}: the premises with where they come from; {s}: what is shown; {n}: its opposite
STEPS: Final = {
    "en": {
        "given": "{s}, as fact {k} says.",
        "implication": "{p}; by fact {k} it follows that {s}.",
        "contraposition": "If it were the case that {n}, fact {k} would give that {q}; but {p}. So {s}.",
        "exclusion": "Fact {k} leaves {s} or {q}; but {p}. So {s}.",
        "part": "Fact {k} contains that {s}.",
        "cases": "By fact {k} {a} or {b}. In the first case {s} by fact {k1}, in the second by fact {k2}. So {s} in either case.",
        "proved": "This is the hypothesis, so it is proved.",
        "disproved": "The hypothesis says the opposite, so it is disproved.",
        "model": "Suppose that only the following hold: {true}. Then all facts are satisfied, and the hypothesis is {value}.",
        "nothing": "nothing",
        "unknown": "Both are possible, so the hypothesis is unknown.",
        "step": "step {i}",
        "fact": "fact {k}",
        "because": "{s} ({where})",
    },
    "zh": {
        "given": "由事实{k}，{s}。",
        "implication": "{p}；由事实{k}推出{s}。",
        "contraposition": "假如{n}，由事实{k}就有{q}；但是{p}。所以{s}。",
        "exclusion": "由事实{k}，{s}或{q}；但是{p}。所以{s}。",
        "part": "事实{k}中包含：{s}。",
        "cases": "由事实{k}，{a}或{b}。若为前者，由事实{k1}得{s}；若为后者，由事实{k2}得{s}。所以总有{s}。",
        "proved": "这正是所给假设，因此为真。",
        "disproved": "所给假设与此相反，因此为假。",
        "model": "设只有以下成立：{true}。此时所有事实都满足，而假设为{value}。",
        "nothing": "无",
        "unknown": "两种情形都可能，所以无法确定。",
        "step": "第{i}步",
        "fact": "事实{k}",
        "because": "{s}（{where}）",
    },
}
RULES: Final = ("implication", "implication", "implication", "contraposition", "exclusion", "part", "cases")


def draw(rng: random.Random, depth: int, unneeded: int) -> Theory:
    """Draw a theory whose proof has `depth` steps in a row, with `unneeded` further facts. Raises ValueError after ATTEMPTS
    draws."""
    for _ in range(ATTEMPTS):
        theory = _Growing(rng).theory(depth, unneeded)
        if theory is not None:
            return theory
    raise ValueError(f"no deduction of depth {depth} in {ATTEMPTS} draws")


class _Growing:
    """One attempt: a proof grown backwards, with statements that occur nowhere else."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.individuals = tuple(rng.sample(range(len(INDIVIDUALS)), rng.randint(1, 3)))
        pairs = [(predicate, one) for predicate in range(len(PREDICATES)) for one in self.individuals]
        self.fresh = rng.sample(pairs, len(pairs))
        self.facts: list[Fact] = []

    def theory(self, depth: int, unneeded: int) -> Theory | None:
        rng = self.rng
        proof = self._proof(self._statement(None), depth)
        proved = proof.shows
        label: Literal["proved", "disproved", "unknown"] = rng.choice(("proved", "proved", "disproved", "disproved", "unknown"))  # fmt: skip
        hypothesis = proved.negated() if label == "disproved" else proved
        facts = list(self.facts)
        if label == "unknown":
            facts.remove(rng.choice(facts))
            about = {
                (one.predicate, one.individual) for fact in facts for one in fact.about(self.individuals)
            }
            if (hypothesis.predicate, hypothesis.individual) not in about:
                return None  # a hypothesis about something that no fact speaks of is no question
        for _ in range(unneeded):
            facts.append(self._unneeded([statement for fact in self.facts for statement in (*fact.conditions, *fact.statements)]))  # fmt: skip
        if len(set(facts)) < len(facts) or not facts:
            return None
        rng.shuffle(facts)
        named = {one.individual for fact in facts for one in (*fact.conditions, *fact.statements)}
        individuals = tuple(one for one in self.individuals if one in named | {hypothesis.individual})
        theory = Theory(tuple(facts), individuals, hypothesis, label, None if label == "unknown" else proof, depth)  # fmt: skip
        return theory if solve(theory) == label else None

    def _statement(self, individual: int | None) -> Predication:
        """Return a statement that is used nowhere yet, about an individual or any."""
        place = next(n for n, (_, one) in enumerate(self.fresh) if individual in (None, one))
        predicate, one = self.fresh.pop(place)
        return Predication(predicate, one, self.rng.random() < 0.7)

    def _fact(self, conditions: Sequence[Predication], statements: Sequence[Predication], joined: Literal["and", "or"] = "and") -> Fact:  # fmt: skip
        """Give a fact; an implication about one individual is often stated of anything."""
        about = {one.individual for one in (*conditions, *statements)}
        if conditions and len(about) == 1 and self.rng.random() < 0.6:
            conditions = [one._replace(individual=THING) for one in conditions]
            statements = [one._replace(individual=THING) for one in statements]
        fact = Fact(tuple(conditions), tuple(statements), joined)
        self.facts.append(fact)
        return fact

    def _near(self, statement: Predication) -> Predication:
        """Return a new statement, mostly about the same individual."""
        same = self.rng.random() < 0.7 and any(one == statement.individual for _, one in self.fresh)
        return self._statement(statement.individual if same else None)

    def _proof(self, shows: Predication, depth: int) -> ProofStep:
        if depth == 0:
            return ProofStep("given", shows, (self._fact((), (shows,)),))
        rule = self.rng.choice([one for one in RULES if depth == 1 or one not in ("part", "cases")])
        if rule == "part":
            others = [shows, self._near(shows)]
            return ProofStep(rule, shows, (self._fact((), self.rng.sample(others, 2)),))
        if rule == "cases":
            one, other = self._near(shows), self._near(shows)
            facts = (
                self._fact((), (one, other), "or"),
                self._fact((one,), (shows,)),
                self._fact((other,), (shows,)),
            )
            return ProofStep(rule, shows, facts)
        if rule == "implication":
            conditions = [self._near(shows)] + ([self._near(shows)] if self.rng.random() < 0.4 else [])
            fact = self._fact(conditions, (shows,))
            depths = [depth - 1, self.rng.randint(0, min(1, depth - 1))]
            premises = [
                self._proof(one, one_depth) for one, one_depth in zip(conditions, depths, strict=False)
            ]
            return ProofStep(rule, shows, (fact,), tuple(premises))
        other = self._near(shows)
        if rule == "contraposition":
            fact = self._fact((shows.negated(),), (other,))
        else:
            fact = self._fact((), self.rng.sample((shows, other), 2), "or")
        return ProofStep(rule, shows, (fact,), (self._proof(other.negated(), depth - 1),))

    def _unneeded(self, used: Sequence[Predication]) -> Fact:
        """Return a fact in which a statement of the proof, or its opposite, meets new ones."""
        one = self.rng.choice([statement for statement in used if statement.individual != THING] or [self._statement(None)])  # fmt: skip
        one = one.negated() if self.rng.random() < 0.5 else one
        new = self._near(one)
        kind = self.rng.choice(("plain", "to new", "to old", "or"))
        before = len(self.facts)
        if kind == "plain":
            fact = self._fact((), (new,))
        elif kind == "or":
            fact = self._fact((), (one, new), "or")
        else:
            fact = self._fact((one,), (new,)) if kind == "to new" else self._fact((new,), (one,))
        del self.facts[before:]
        return fact


def program_of(theory: Theory, hypothesis: bool) -> str:
    """Return the facts for the solver, with the hypothesis or its opposite."""
    wanted_statement = theory.hypothesis if hypothesis else theory.hypothesis.negated()
    clauses = [clause for fact in theory.facts for clause in fact.clauses(theory.individuals)]
    clauses.append((wanted_statement,))
    atoms = sorted({(one.predicate, one.individual) for clause in clauses for one in clause})
    rules = [f"{{ h({predicate},{individual}) }}." for predicate, individual in atoms]
    for clause in clauses:
        body = [f"{'not ' if one.holds else ''}h({one.predicate},{one.individual})" for one in clause]
        rules.append(f":- {', '.join(body)}.")
    rules.append("#minimize { 1,P,I : h(P,I) }.")
    return "\n".join(rules)


def solve(theory: Theory) -> str | None:
    """Return the label of the hypothesis, by the solver; None if the facts contradict each other."""
    true, false = (bool(models(program_of(theory, value), 1)) for value in (True, False))
    if true and false:
        return "unknown"
    return "proved" if true else "disproved" if false else None


def write(theory: Theory, rng: random.Random, language: str) -> Puzzle:
    """Write the facts, the question and the deduction in words."""
    writer = _Writer(theory, language)
    facts = [f"({number}) {writer.fact(fact, rng)}" for number, fact in enumerate(theory.facts, start=1)]
    asked = rng.choice(QUESTIONS[language]).format(h=writer.says(theory.hypothesis))
    question = "\n".join([rng.choice(OPENINGS[language]), *facts, asked])
    if theory.proof is not None:
        writer.step(theory.proof)
        lines = [*writer.lines, STEPS[language][theory.label]]
    else:
        lines = [*(writer.model(value) for value in (True, False)), STEPS[language]["unknown"]]
    sizes = {"depth": theory.depth, "facts": len(theory.facts), "label": theory.label}
    return Puzzle(question, tuple(lines), LABELS[language][theory.label], min(5, theory.depth), sizes)


class _Writer:
    def __init__(self, theory: Theory, language: str) -> None:
        self.theory, self.language = theory, language
        self.words = STEPS[language]
        self.lines: list[str] = []

    def says(self, statement: Predication) -> str:
        predicate = PREDICATES.show(statement.predicate, self.language)
        one = INDIVIDUALS.show(statement.individual, self.language)
        if self.language == "zh":
            return f"{one}{'是' if statement.holds else '不是'}{predicate}的"
        return f"{one} is {'' if statement.holds else 'not '}{predicate}"

    def property(self, statement: Predication) -> str:
        predicate = PREDICATES.show(statement.predicate, self.language)
        if self.language == "zh":
            return f"{'是' if statement.holds else '不是'}{predicate}的"
        return predicate if statement.holds else f"not {predicate}"

    def fact(self, fact: Fact, rng: random.Random) -> str:
        templates = RULES_IN_WORDS[self.language]
        zh = self.language == "zh"
        if fact.conditions and fact.statements[0].individual == THING:
            text = rng.choice(templates["general"])
            # what holds comes first, so that "not" has one reading
            conditions = sorted(fact.conditions, key=lambda one: not one.holds)
            properties = [self.property(one) for one in conditions]
            end = self.property(fact.statements[0])
            if not zh:
                words = " and ".join(properties)
                if len(conditions) == 2 and not conditions[0].holds:
                    words = "neither {} nor {}".format(*(self.property(one.negated()) for one in conditions))
                return text.format(properties=words, end=end)
            is_ = "并且".join(properties)
            # 凡是布利的东西: the property as an attribute, without 是, which one that does not hold does not have
            if len(properties) == 1 and conditions[0].holds:
                return text.format(properties=properties[0].removeprefix("是"), is_=is_, end=end)
            return templates["general"][1].format(is_=is_, end=end)
        if fact.conditions:
            together = ("，并且" if zh else " and ").join(map(self.says, fact.conditions))
            text = rng.choice(templates["about"])
            return capital(text.format(c=together, s=self.says(fact.statements[0])))
        if len(fact.statements) == 1:
            return rng.choice(templates["plain"]).format(a=self.says(fact.statements[0]))
        a, b = map(self.says, fact.statements)
        return rng.choice(templates[fact.joined]).format(a=a, b=b)

    def step(self, step: ProofStep) -> str:
        """Write the lines of a step and of what it rests on; return where its result is found."""
        if step.rule == "given":
            return self.words["fact"].format(k=self._numbers(step)[0])
        premises = [
            self.words["because"].format(s=self.says(one.shows), where=self.step(one))
            for one in step.premises
        ]
        numbers = self._numbers(step)
        more: dict[str, object] = {
            "k": numbers[0],
            "s": self.says(step.shows),
            "n": self.says(step.shows.negated()),
        }
        if step.rule in ("contraposition", "exclusion"):
            more["q"] = self.says(step.premises[0].shows.negated())
        if step.rule == "cases":
            more |= dict(zip("ab", map(self.says, step.facts[0].statements), strict=True))
            more |= {"k1": numbers[1], "k2": numbers[2]}
        text = self.words[step.rule].format(p="，".join(premises) if self.language == "zh" else listed(premises, "en"), **more)  # fmt: skip
        self.lines.append(f"{len(self.lines) + 1}. {capital(text)}")
        return self.words["step"].format(i=len(self.lines))

    def _numbers(self, step: ProofStep) -> list[int]:
        return [self.theory.facts.index(fact) + 1 for fact in step.facts]

    def model(self, value: bool) -> str:
        """Write a case in which all facts hold and the hypothesis has this value, with as few true statements as possible."""
        shown = models(program_of(self.theory, value), 0)[-1]
        true = [
            self.says(Predication(predicate, individual, True))
            for predicate in range(len(PREDICATES))
            for individual in self.theory.individuals
            if f"h({predicate},{individual})" in shown
        ]
        names = LABELS["zh"] if self.language == "zh" else {"proved": "true", "disproved": "false"}
        return self.words["model"].format(
            true=("，" if self.language == "zh" else "; ").join(true) or self.words["nothing"],
            value=names["proved" if value else "disproved"],
        )


def puzzle(rng: random.Random, settings: Mapping[str, Any], language: str) -> Puzzle:
    """Draw and write a deduction with the sizes of the settings."""
    theory = draw(rng, drawn(rng, settings, "depth"), drawn(rng, settings, "unneeded"))
    return write(theory, rng, language)
