"""Grid puzzles: who lives in which house with what, from clues about neighbours and pairs.

Every house has one value of each attribute, and no two houses share one. A puzzle has the clues with which eliminations alone
reach the solution, none of which can be left out, and the solver has exactly one solution for them.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from tasks.problems.machinery.slots import Words
from tasks.problems.machinery.words import COLOURS, NAMES
from tasks.puzzles.models import exactly_one_of, models
from tasks.puzzles.puzzle import Puzzle, drawn, listed

# (attribute, value): places in ATTRIBUTES and in the values of that attribute
AttributeValue = tuple[int, int]
# value -> the houses that it may be in, as bits: 1 << house
Places = dict[AttributeValue, int]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its values, and how they stand in a sentence. {v}: the value.

    who: the person with it, as a subject. has: the same as a predicate of a person. title: what the values are called. asks: the question for the value of {who}. house: what has the value, where that is a house and not a person.
    """

    values: Words
    title: Mapping[str, str]
    who: Mapping[str, str]
    has: Mapping[str, str]
    asks: Mapping[str, str]
    house: Mapping[str, str] | None = None


ATTRIBUTES: Final = (
    Attribute(
        NAMES,
        {"en": "people", "zh": "住户"},
        {"en": "{v}", "zh": "{v}"},
        {"en": "is {v}", "zh": "就是{v}"},
        {"en": "What is the name of {who}?", "zh": "{who}叫什么名字？"},
    ),
    Attribute(
        COLOURS,
        {"en": "house colours", "zh": "房子颜色"},
        {"en": "the owner of the {v} house", "zh": "{v}色房子的主人"},
        {"en": "lives in the {v} house", "zh": "住在{v}色的房子里"},
        {"en": "What is the colour of the house of {who}?", "zh": "{who}的房子是什么颜色？"},
        {"en": "the {v} house", "zh": "{v}色的房子"},
    ),
    Attribute(
        Words(
            en=("cat", "parrot", "rabbit", "hamster", "turtle", "pony", "canary", "goldfish"),
            zh=("猫", "鹦鹉", "兔子", "仓鼠", "乌龟", "小马", "金丝雀", "金鱼"),
        ),
        {"en": "pets", "zh": "宠物"},
        {"en": "the person with the {v}", "zh": "养{v}的人"},
        {"en": "keeps the {v}", "zh": "养{v}"},
        {"en": "Which pet does {who} keep?", "zh": "{who}养的是什么宠物？"},
    ),
    Attribute(
        Words(
            en=("tea", "coffee", "milk", "cocoa", "lemonade", "water", "cider", "orange juice"),
            zh=("茶", "咖啡", "牛奶", "可可", "柠檬水", "白开水", "苹果酒", "橙汁"),
        ),
        {"en": "drinks", "zh": "饮料"},
        {"en": "the person who drinks {v}", "zh": "喝{v}的人"},
        {"en": "drinks {v}", "zh": "喝{v}"},
        {"en": "What does {who} drink?", "zh": "{who}喝的是什么？"},
    ),
    Attribute(
        Words(
            en=("baker", "nurse", "pilot", "tailor", "painter", "lawyer", "teacher", "plumber"),
            zh=("面包师", "护士", "飞行员", "裁缝", "油漆工", "律师", "教师", "水管工"),
        ),
        {"en": "jobs", "zh": "职业"},
        {"en": "the {v}", "zh": "那位{v}"},
        {"en": "works as a {v}", "zh": "的职业是{v}"},
        {"en": "What is the job of {who}?", "zh": "{who}的职业是什么？"},
    ),
    Attribute(
        Words(
            en=("chess", "tennis", "sailing", "knitting", "gardening", "cycling", "pottery", "fishing"),
            zh=("下棋", "打网球", "驾帆船", "编织", "种花", "骑车", "做陶艺", "钓鱼"),
        ),
        {"en": "hobbies", "zh": "爱好"},
        {"en": "the person who likes {v}", "zh": "喜欢{v}的人"},
        {"en": "likes {v}", "zh": "喜欢{v}"},
        {"en": "What is the hobby of {who}?", "zh": "{who}的爱好是什么？"},
    ),
)

# what one of the values of each attribute is called
OTHERS: Final = {
    "en": ("person", "colour", "pet", "drink", "job", "hobby"),
    "zh": ("住户", "颜色", "宠物", "饮料", "职业的人", "爱好的人"),
}
# {x}, {y}: persons as subjects; {has}: the second as a predicate; {n}, {m}: house numbers
CLUES: Final = {
    "en": {
        "same": ("{x} {has}.",),
        "apart": ("{x} and {y} are different people.", "{x} and {y} do not live in the same house."),
        "left": (
            "{x} lives directly to the left of {y}.",
            "{y} lives in the next house to the right of {x}.",
        ),
        "next": ("{x} lives next door to {y}.", "{x} and {y} are neighbours."),
        "before": ("{x} lives somewhere to the left of {y}.", "{y} lives somewhere to the right of {x}."),
        "two": ("There is exactly one house between {x} and {y}.",),
        "at": ("{x} lives in house {n}.", "In house {n} lives {x}."),
        "not_at": ("{x} does not live in house {n}.",),
        "either": ("{x} lives in house {n} or in house {m}.",),
    },
    "zh": {
        "same": ("{x}{has}。",),
        "apart": ("{x}和{y}不是同一个人。", "{x}和{y}不住在同一座房子里。"),
        "left": ("{x}紧挨着住在{y}的左边。", "{y}住在{x}右边的第一座房子里。"),
        "next": ("{x}与{y}住在隔壁。", "{x}和{y}是邻居。"),
        "before": ("{x}住在{y}左边的某座房子里。", "{y}住在{x}右边的某座房子里。"),
        "two": ("{x}和{y}之间恰好隔着一座房子。",),
        "at": ("{x}住在{n}号房子。", "{n}号房子里住的是{x}。"),
        "not_at": ("{x}不住在{n}号房子。",),
        "either": ("{x}住在{n}号或{m}号房子。",),
    },
}
# the same about a house, which has a number and does not live in one; {h}: the house, {c}: its colour
HOUSE_CLUES: Final = {
    "en": {
        "apart": ("{y} does not live in {h}.",),
        "at": ("{h} is house {n}.", "House {n} is {c}."),
        "not_at": ("{h} is not house {n}.", "House {n} is not {c}."),
        "either": ("{h} is house {n} or house {m}.",),
    },
    "zh": {
        "apart": ("{y}不住在{h}里。",),
        "at": ("{h}是{n}号。", "{n}号房子是{c}色的。"),
        "not_at": ("{h}不是{n}号。", "{n}号房子不是{c}色的。"),
        "either": ("{h}是{n}号或{m}号。",),
    },
}
OPENINGS: Final = {
    "en": (
        "There are {n} houses in a row, numbered 1 to {n} from left to right. In each lives one person. No two houses agree in any of these:",
        "Along a street stand {n} houses, numbered from left (1) to right ({n}), with one person in each. Everyone differs from the others in every point of this list:",
    ),
    "zh": (
        "一排有{n}座房子，从左到右编号为1到{n}，每座房子里住一个人。下列各项中，任意两座房子都不相同：",
        "街边并排立着{n}座房子，自左向右依次是1号到{n}号，每座住一人，以下各方面人人不同：",
    ),
}
WHERE: Final = {
    "en": ("In which house does {who} live?", "What is the number of the house of {who}?"),
    "zh": ("{who}住在几号房子？", "{who}的房子是几号？"),
}
HOUSE_WHERE: Final = {"en": "What is the number of {h}?", "zh": "{h}是几号？"}
IN_HOUSE: Final = {"en": "the person in house {n}", "zh": "{n}号房子的主人"}
COLOUR_OF: Final = {"en": "What is the colour of house {n}?", "zh": "{n}号房子是什么颜色？"}


@dataclass(frozen=True, slots=True)
class Clue:
    """A clue of a kind of CLUES about one or two values, or about one and the houses of `numbers`, counted from 0."""

    kind: str
    values: tuple[AttributeValue, ...]
    numbers: tuple[int, ...] = ()

    def holds(self, houses: Sequence[int]) -> bool:
        """Return whether the clue is true if its values are in these houses."""
        if self.numbers:
            return (houses[0] in self.numbers) != (self.kind == "not_at")
        one, other = houses
        return {
            "same": one == other,
            "apart": one != other,
            "left": other - one == 1,
            "next": abs(other - one) == 1,
            "before": one < other,
            "two": abs(other - one) == 2,
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Grid:
    """A puzzle: the values in use by attribute, the clues, and the house of each value."""

    houses: int
    values: Mapping[int, tuple[int, ...]]
    clues: tuple[Clue, ...]
    solution: Mapping[AttributeValue, int]

    def all_values(self) -> list[AttributeValue]:
        """Return all values, attribute by attribute."""
        return [(attribute, value) for attribute, values in self.values.items() for value in values]


class Ground(NamedTuple):
    """What an elimination rests on: a clue, that no other value of the attribute is where `value` is (`taken`), or that no other
    can be in a house where `value` may be (`only`)."""

    kind: Literal["clue", "taken", "only"]
    clue: int = 0
    value: AttributeValue = (0, 0)


@dataclass(frozen=True, slots=True)
class Elimination:
    """One step: by `rule` and the places in `known`, the values in `left` can be nowhere else than there."""

    rule: Ground
    known: Mapping[AttributeValue, int]
    left: Mapping[AttributeValue, int]


def draw(rng: random.Random, houses: int, attributes: int) -> tuple[Grid, list[Elimination]]:
    """Draw a puzzle with its deduction. Names are always among the attributes."""
    chosen = [0, *sorted(rng.sample(range(1, len(ATTRIBUTES)), attributes - 1))]
    values = {a: tuple(rng.sample(range(len(ATTRIBUTES[a].values)), houses)) for a in chosen}
    solution = {
        (attribute, value): house
        for attribute, row in values.items()
        for house, value in enumerate(rng.sample(row, houses))
    }
    grid = Grid(houses, values, (), solution)
    clues: list[Clue] = []
    places = _everywhere(grid)
    while not _solved(places):
        clue = _clue(rng, grid)
        if clue not in clues:
            clues.append(clue)
            _propagate(grid, clues, places)
    for clue in list(clues):
        rest = [one for one in clues if one != clue]
        places = _everywhere(grid)
        _propagate(grid, rest, places)
        if _solved(places):
            clues = rest
    rng.shuffle(clues)
    grid = replace(grid, clues=tuple(clues))
    return grid, deduce(grid)


def _clue(rng: random.Random, grid: Grid) -> Clue:
    """Draw a clue that is true in the solution."""
    kinds = (
        ["same"] * 5
        + ["left"] * 4
        + ["next"] * 4
        + ["before"] * 3
        + ["two", "at", "not_at", "either", "apart", "apart"]
    )
    while True:
        kind = rng.choice(kinds)
        one, other = rng.sample(grid.all_values(), 2)
        at = grid.solution[one]
        others = [house for house in range(grid.houses) if house != at]
        if kind == "at":
            return Clue(kind, (one,), (at,))
        if kind == "not_at":
            return Clue(kind, (one,), (rng.choice(others),))
        if kind == "either":
            return Clue(kind, (one,), tuple(sorted((at, rng.choice(others)))))
        clue = Clue(kind, (one, other))
        if kind in ("same", "apart") and one[0] == other[0]:
            continue  # values of one attribute are never in one house
        if clue.holds((at, grid.solution[other])):
            return clue


def _everywhere(grid: Grid) -> Places:
    return dict.fromkeys(grid.all_values(), (1 << grid.houses) - 1)


def _solved(places: Places) -> bool:
    return all(bits.bit_count() == 1 for bits in places.values())


def houses_of(bits: int) -> list[int]:
    """Return the houses of a set of bits, from left to right."""
    return [house for house in range(bits.bit_length()) if bits >> house & 1]


def deduce(grid: Grid) -> list[Elimination]:
    """Return eliminations that lead to the solution; none of them can be left out."""
    places = _everywhere(grid)
    rules = _propagate(grid, grid.clues, places)
    for rule in list(rules):
        rest = list(rules)
        rest.remove(rule)
        if _solved(_replayed(grid, rest)[1]):
            rules = rest
    return _replayed(grid, rules)[0]


def _replayed(grid: Grid, rules: Sequence[Ground]) -> tuple[list[Elimination], Places]:
    """Apply the rules in order; return the steps that removed something and where the values may be afterwards."""
    places = _everywhere(grid)
    steps = []
    for rule in rules:
        known, left = _applied(grid, grid.clues, rule, places)
        if left:
            steps.append(Elimination(rule, known, left))
            places |= left
    return steps, places


def _propagate(grid: Grid, clues: Sequence[Clue], places: Places) -> list[Ground]:
    """Remove houses from `places` until no rule removes any; return the rules that did, in order."""
    every = [Ground("clue", number) for number in range(len(clues))]
    every += [Ground("taken", value=value) for value in grid.all_values()]
    every += [Ground("only", value=value) for value in grid.all_values()]
    used: list[Ground] = []
    progress = True
    while progress:
        before = len(used)
        for rule in every:
            _, left = _applied(grid, clues, rule, places)
            if left:
                places |= left
                used.append(rule)
        progress = len(used) > before
    return used


def _applied(grid: Grid, clues: Sequence[Clue], rule: Ground, places: Places) -> tuple[Places, Places]:
    """Return (what the rule rests on, where the values may be by it), the latter for values that it removes houses of."""
    if rule.kind != "clue" and (places[rule.value].bit_count() == 1) != (rule.kind == "taken"):
        return {}, {}
    if rule.kind == "clue":
        clue = clues[rule.clue]
        known = {value: places[value] for value in clue.values}
        bits = _by_clue(clue.kind, clue.numbers, tuple(known.values()))
        left = dict(zip(clue.values, bits, strict=True))
    else:
        attribute = rule.value[0]
        others = [(attribute, value) for value in grid.values[attribute] if value != rule.value[1]]
        own = places[rule.value]
        if rule.kind == "taken":
            known = {rule.value: own}
            left = {other: places[other] & ~own for other in others}
        else:
            known = {other: places[other] for other in others}
            alone = own
            for bits_of_other in known.values():
                alone &= ~bits_of_other
            left = {rule.value: alone} if alone else {}
    return known, {value: bits for value, bits in left.items() if bits != places[value]}


@functools.cache
def _by_clue(kind: str, numbers: tuple[int, ...], places: tuple[int, ...]) -> tuple[int, ...]:
    """Return where the values of a clue may be by it, as bits like `places`."""
    clue = Clue(kind, (), numbers)
    left = [0] * len(places)
    for houses in itertools.product(*map(houses_of, places)):
        if clue.holds(houses):
            for number, house in enumerate(houses):
                left[number] |= 1 << house
    return tuple(left)


def solve(grid: Grid) -> list[dict[AttributeValue, int]]:
    """Return up to two solutions of the clues, by the solver."""
    houses = range(grid.houses)
    rules = []
    for attribute, row in grid.values.items():
        for value in row:
            rules.append(exactly_one_of(f"at({attribute},{value},{house})" for house in houses))
        rules += [exactly_one_of(f"at({attribute},{value},{house})" for value in row) for house in houses]
    for clue in grid.clues:
        if clue.numbers:
            ((attribute, value),) = clue.values
            rules += [f":- at({attribute},{value},{house})." for house in houses if not clue.holds((house,))]
        else:
            (one, first), (other, second) = clue.values
            rules += [
                f":- at({one},{first},{house}), at({other},{second},{next_})."
                for house in houses
                for next_ in houses
                if not clue.holds((house, next_))
            ]
    shown = models("\n".join(rules))
    return [
        {
            value: house
            for value in grid.all_values()
            for house in houses
            if f"at({value[0]},{value[1]},{house})" in model
        }
        for model in shown
    ]


def write(grid: Grid, steps: Sequence[Elimination], rng: random.Random, language: str) -> Puzzle:
    """Write the puzzle and its deduction in words."""
    zh = language == "zh"
    lists = []
    for attribute, row in grid.values.items():
        kind = ATTRIBUTES[attribute]
        words = [kind.values.show(value, language) for value in sorted(row)]
        lists.append(f"- {kind.title[language]}{'：' if zh else ': '}{('、' if zh else ', ').join(words)}")
    clues = [_clue_words(clue, rng, language) for clue in grid.clues]
    numbered = [f"{number}. {text}" for number, text in enumerate(clues, start=1)]
    asked, answer = _asked(grid, rng, language)
    heading = "线索：" if zh else "Clues:"
    opening = rng.choice(OPENINGS[language]).format(n=grid.houses)
    question = "\n".join([opening, *lists, heading, *numbered, asked])
    lines = [_step_words(grid, step, language) for step in steps]
    lines += [_house_words(grid, house, language) for house in range(grid.houses)]
    sizes = {"houses": grid.houses, "attributes": len(grid.values), "clues": len(grid.clues)}
    difficulty = min(5, max(1, grid.houses + len(grid.values) - 5))
    return Puzzle(question, tuple(lines), answer, difficulty, sizes)


def _asked(grid: Grid, rng: random.Random, language: str) -> tuple[str, str]:
    """Return a question whose answer no clue states, and its answer."""
    one, other = rng.sample(grid.all_values(), 2)
    stated = [{*clue.values} for clue in grid.clues if clue.kind in ("same", "at")]
    while (
        one[0] == other[0]
        or grid.solution[one] != grid.solution[other]
        or {one, other} in stated
        or {one} in stated
    ):
        one, other = rng.sample(grid.all_values(), 2)
    house = grid.solution[one] + 1
    if rng.random() < 0.3:
        if ATTRIBUTES[one[0]].house:
            return HOUSE_WHERE[language].format(h=subject(one, language)), str(house)
        return rng.choice(WHERE[language]).format(who=who(one, language)), str(house)
    kind = ATTRIBUTES[other[0]]
    answer = kind.values.show(other[1], language)
    if rng.random() >= 0.3:
        return kind.asks[language].format(who=who(one, language)), answer
    if kind.house:
        return COLOUR_OF[language].format(n=house), answer
    return kind.asks[language].format(who=IN_HOUSE[language].format(n=house)), answer


def who(value: AttributeValue, language: str) -> str:
    """Return the person with a value as the subject of a sentence."""
    attribute = ATTRIBUTES[value[0]]
    return attribute.who[language].format(v=attribute.values.show(value[1], language))


def subject(value: AttributeValue, language: str) -> str:
    """Return what is in a house: the person with a value, or the house that has it."""
    attribute = ATTRIBUTES[value[0]]
    if attribute.house is None:
        return who(value, language)
    return attribute.house[language].format(v=attribute.values.show(value[1], language))


def _clue_words(clue: Clue, rng: random.Random, language: str) -> str:
    one, other = clue.values[0], clue.values[-1]
    house = next((value for value in clue.values if ATTRIBUTES[value[0]].house), None)
    attribute = ATTRIBUTES[other[0]]
    numbers = [number + 1 for number in (*clue.numbers, 0, 0)]
    words = {
        "x": who(one, language),
        "y": who(other, language),
        "has": attribute.has[language].format(v=attribute.values.show(other[1], language)),
        "n": numbers[0],
        "m": numbers[1],
    }
    wordings = CLUES[language][clue.kind]
    if house is not None and clue.kind in HOUSE_CLUES[language]:
        wordings = HOUSE_CLUES[language][clue.kind]
        words |= {
            "h": subject(house, language),
            "c": ATTRIBUTES[house[0]].values.show(house[1], language),
            "y": who(one if house == other else other, language),
        }
    text = rng.choice(wordings).format(**words)
    return text[0].upper() + text[1:]


def _place_words(value: AttributeValue, bits: int, language: str) -> str:
    """Return where a person may be: `Alice is in house 2`, `the person who drinks tea is in house 1, 2 or 3`."""
    numbers = [str(house + 1) for house in houses_of(bits)]
    or_, comma = ("或", "、") if language == "zh" else (" or ", ", ")
    where = or_.join([comma.join(numbers[:-1]), numbers[-1]]) if len(numbers) > 1 else numbers[0]
    named, is_house = subject(value, language), ATTRIBUTES[value[0]].house is not None
    if language == "zh":
        return f"{named}是{where}号" if is_house else f"{named}在{where}号房子"
    return f"{named} is {'' if is_house else 'in '}house {where}"


def _step_words(grid: Grid, step: Elimination, language: str) -> str:
    zh = language == "zh"
    everywhere = (1 << grid.houses) - 1
    known = [_place_words(value, bits, language) for value, bits in step.known.items() if bits != everywhere]
    left = [_place_words(value, bits, language) for value, bits in step.left.items()]
    since, so = (
        ("，".join(known), "，".join(left)) if zh else (listed(known, language), listed(left, language))
    )
    if step.rule.kind == "clue":
        number = step.rule.clue + 1
        if zh:
            return f"由线索{number}" + (f"，又因为{since}" if since else "") + f"：{so}。"
        return f"By clue {number}" + (f", since {since}" if since else "") + f": {so}."
    others = OTHERS[language][step.rule.value[0]]
    if step.rule.kind == "taken":
        return (
            f"因为{since}，其他{others}都不在那里：{so}。"
            if zh
            else f"Since {since}, no other {others} is there: {so}."
        )
    (house,) = houses_of(step.left[step.rule.value])
    if zh:
        return f"其他{others}都不可能在{house + 1}号房子，所以{so}。"
    return f"No other {others} can be in house {house + 1}, so {so}."


def _house_words(grid: Grid, house: int, language: str) -> str:
    words = [
        ATTRIBUTES[value[0]].values.show(value[1], language)
        for value in grid.all_values()
        if grid.solution[value] == house
    ]
    if language == "zh":
        return f"{house + 1}号房子：{'、'.join(words)}。"
    return f"House {house + 1}: {', '.join(words)}."


def puzzle(rng: random.Random, settings: Mapping[str, Any], language: str) -> Puzzle:
    """Draw and write a puzzle with the sizes of the settings. Raises ValueError if the solver disagrees with the deduction."""
    grid, steps = draw(rng, drawn(rng, settings, "houses"), drawn(rng, settings, "attributes"))
    solutions = solve(grid)
    if solutions != [grid.solution]:
        raise ValueError("the solver has another solution than the deduction")
    return write(grid, steps, rng, language)
