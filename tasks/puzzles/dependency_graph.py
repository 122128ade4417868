"""Word problems whose quantities depend on each other in a graph of set depth, with facts that are not needed.

A quantity is the number of things of one kind in one place. It is given, or computed from one or two others; the total of a place and
the total of a kind may be used too, and no sentence defines them. The depth of a problem is the largest number of
computations that follow each other on the way to what is asked for.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tasks.puzzles.puzzle import Puzzle, capital, drawn

LARGEST: Final = 5_000  # value of a quantity
ATTEMPTS: Final = 1_000  # draws until one has the depth that was asked for

# (place, thing): a quantity; (place, ""): the total of a place; ("", thing): the total of a kind. Indexes into a theme's lists.
Countable = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Theme:
    """Places and things of one story, in parallel lists; `things` in Chinese with the measure word `unit`."""

    places: Mapping[str, tuple[str, ...]]
    things: Mapping[str, tuple[str, ...]]
    everything: Mapping[str, str]  # what all things are called together
    unit: str
    at: str  # the English preposition of its places


THEMES: Final = (
    Theme(
        {
            "en": ("the attic", "the cellar", "the garage", "the kitchen", "the study", "the hallway", "the pantry", "the shed"),
            "zh": ("阁楼", "地下室", "车库", "厨房", "书房", "走廊", "储藏室", "工具棚"),
        },
        {
            "en": ("lamps", "boxes", "chairs", "baskets", "clocks", "mirrors", "buckets", "cushions"),
            "zh": ("台灯", "箱子", "椅子", "篮子", "时钟", "镜子", "水桶", "靠垫"),
        },
        {"en": "items", "zh": "物品"},
        "个",
        "in",
    ),
    Theme(
        {
            "en": ("the north pasture", "the south pasture", "the big barn", "the old stable", "the orchard", "the pond yard", "the hill field", "the river meadow"),
            "zh": ("北牧场", "南牧场", "大谷仓", "旧马厩", "果园", "池塘边", "山坡地", "河边草地"),
        },
        {
            "en": ("sheep", "goats", "ducks", "geese", "ponies", "calves", "rabbits", "hens"),
            "zh": ("绵羊", "山羊", "鸭子", "鹅", "小马", "牛犊", "兔子", "母鸡"),
        },
        {"en": "animals", "zh": "动物"},
        "只",
        "at",
    ),
    Theme(
        {
            "en": ("Maple School", "Cedar School", "Birch School", "Willow School", "Aspen School", "Linden School", "Hazel School", "Rowan School"),
            "zh": ("枫林小学", "雪松小学", "白桦小学", "垂柳小学", "山杨小学", "椴树小学", "榛子小学", "花楸小学"),
        },
        {
            "en": ("chess players", "swimmers", "painters", "drummers", "dancers", "gardeners", "singers", "runners"),
            "zh": ("象棋手", "游泳队员", "小画家", "鼓手", "舞蹈队员", "园艺组员", "合唱队员", "长跑队员"),
        },
        {"en": "club members", "zh": "社团成员"},
        "名",
        "at",
    ),
    Theme(
        {
            "en": ("the harbour shop", "the station shop", "the market shop", "the castle shop", "the museum shop", "the airport shop", "the campus shop", "the village shop"),
            "zh": ("码头商店", "车站商店", "集市商店", "城堡商店", "博物馆商店", "机场商店", "校园商店", "村口商店"),
        },
        {
            "en": ("postcards", "stamps", "stickers", "notebooks", "maps", "posters", "calendars", "bookmarks"),
            "zh": ("明信片", "邮票", "贴纸", "笔记本", "地图", "海报", "日历", "书签"),
        },
        {"en": "articles", "zh": "商品"},
        "件",
        "at",
    ),
)  # fmt: skip

# {q}: a quantity that is defined, as "the number of lamps in the attic"; {place}, {thing}: its parts; {x}, {y}: other quantities
TEMPLATES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "en": {
        "given": (
            "there are {n} {thing} {at} {place}",
            "{place} has {n} {thing}",
            "the number of {thing} {at} {place} is {n}",
        ),
        "more": (
            "the number of {thing} {at} {place} is {n} more than {x}",
            "{place} has {n} more {thing} than {x}",
            "adding {n} to {x} gives the number of {thing} {at} {place}",
        ),
        "fewer": (
            "the number of {thing} {at} {place} is {n} less than {x}",
            "taking {n} from {x} gives the number of {thing} {at} {place}",
        ),
        "times": (
            "the number of {thing} {at} {place} is {n} times {x}",
            "multiplying {x} by {n} gives the number of {thing} {at} {place}",
        ),
        "part": (
            "the number of {thing} {at} {place} is one {nth} of {x}",
            "dividing {x} by {n} gives the number of {thing} {at} {place}",
        ),
        "sum": (
            "the number of {thing} {at} {place} is the sum of {x} and {y}",
            "adding {x} to {y} gives the number of {thing} {at} {place}",
        ),
        "difference": (
            "the number of {thing} {at} {place} is {x} minus {y}",
            "the number of {thing} {at} {place} is what is left of {x} after taking away {y}",
        ),
    },
    "zh": {
        "given": ("{place}有{n}{unit}{thing}", "{place}的{thing}数量是{n}"),
        "more": ("{place}的{thing}数量比{x}多{n}", "在{x}上加{n}，就是{place}的{thing}数量"),
        "fewer": ("{place}的{thing}数量比{x}少{n}", "从{x}里减去{n}，就是{place}的{thing}数量"),
        "times": ("{place}的{thing}数量是{x}的{n}倍", "把{x}乘以{n}，就得到{place}的{thing}数量"),
        "part": (
            "{place}的{thing}数量是{x}的{nth}分之一",
            "把{x}平均分成{n}份，每一份等于{place}的{thing}数量",
        ),
        "sum": ("{place}的{thing}数量等于{x}与{y}之和", "{x}加上{y}，就是{place}的{thing}数量"),
        "difference": (
            "{place}的{thing}数量等于{x}减去{y}",
            "从{x}里去掉{y}，剩下的就是{place}的{thing}数量",
        ),
    },
}
PHRASES: Final = {
    "en": {
        "quantity": "the number of {thing} {at} {place}",
        "place": "the total number of {everything} {at} {place}",
        "thing": "the total number of {thing} at all places together",
    },
    "zh": {
        "quantity": "{place}的{thing}数量",
        "place": "{place}的{everything}总数",
        "thing": "各处{thing}的总数",
    },
}
OPENINGS: Final = {
    "en": (
        "Only the {everything} and places named here are counted.",
        "A report about {everything} says the following, and nothing else is counted.",
        "Here is what is known about some {everything}; there are no others.",
    ),
    "zh": (
        "只统计下面提到的{everything}和地点。",
        "一份关于{everything}的记录如下，此外没有别的{everything}。",
        "已知下列{everything}的情况，除此之外没有其他{everything}。",
    ),
}
QUESTIONS: Final = {
    "en": ("What is {x}?", "Find {x}.", "Determine {x}."),
    "zh": ("{x}是多少？", "求{x}。", "请问{x}是多少？"),
}
STEPS: Final = {
    "en": ("{what}: {result}.", "{what} is {result}.", "Now {what} is {result}.", "We get {what}: {result}."),
    "zh": ("{what}：{result}。", "{what}为 {result}。", "由此{what}是 {result}。"),
}
ORDINALS: Final = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}
PARTS_ZH: Final = {2: "二", 3: "三", 4: "四", 5: "五"}


@dataclass(frozen=True, slots=True)
class Definition:
    """How a quantity follows from others: the kind of TEMPLATES, its number (0: none), and what it is computed from."""

    kind: str
    number: int
    of: tuple[Countable, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """The quantities that sentences define, in an order in which each comes after what it depends on, with their values."""

    theme: int
    definitions: Mapping[Countable, Definition]
    values: Mapping[Countable, int]
    asked: Countable
    depth: int
    unneeded: int

    def parts(self, node: Countable) -> list[Countable]:
        """Return what a quantity or a total is computed from."""
        return list(self.definitions[node].of) if node in self.definitions else parts(node, self.definitions)


def parts(node: Countable, defined: Mapping[Countable, Definition]) -> list[Countable]:
    """Return the quantities that a total consists of."""
    place, thing = node
    return [one for one in defined if place in (None, one[0]) and thing in (None, one[1])]


def draw(rng: random.Random, depth: int, unneeded: int) -> Graph:
    """Draw a graph whose asked quantity is `depth` computations away from what is given, with `unneeded` further facts."""
    for _ in range(ATTEMPTS):
        graph = _Drawing(rng, 2 * (depth + unneeded)).graph(depth, unneeded)
        if graph is not None:
            return graph
    raise ValueError(
        f"no graph of depth {depth} with {unneeded} facts that are not needed in {ATTEMPTS} draws"
    )


class _Drawing:
    """One attempt: quantities are defined one after the other, each by those before it. `room`: how many quantities there are
    places and things for, at least."""

    def __init__(self, rng: random.Random, room: int) -> None:
        self.rng = rng
        self.theme = rng.randrange(len(THEMES))
        width = rng.randint(max(2, -(-room // 8)), max(4, -(-room // 6)))
        height = rng.randint(max(3, -(-room // width)), 8)
        rows, columns = rng.sample(range(8), height), rng.sample(range(8), min(width, 8))
        self.free: list[Countable] = [(place, thing) for place in rows for thing in columns]
        rng.shuffle(self.free)
        self.definitions: dict[Countable, Definition] = {}
        self.values: dict[Countable, int] = {}
        self.depths: dict[Countable, int] = {}
        self.closed: list[Countable] = []  # totals that are used: nothing may be added to them

    def graph(self, depth: int, unneeded: int) -> Graph | None:
        end = self._given()
        while end is not None and self.depths[end] < depth:
            end = self._longer(end, depth)
        if end is None:
            return None
        needed = self._needed(end)
        extra = 0
        while extra < unneeded:
            # half of them are computed from what is needed, so that they look as if they mattered
            node = (
                self._computed(self.rng.choice(list(self.definitions)))
                if self.rng.random() < 0.5
                else self._given()
            )
            if node is None:
                return None
            extra += 1
        if self._needed(end) != needed:
            return None
        unused = sum(node not in needed for node in self.definitions)
        return Graph(self.theme, self.definitions, self.values, end, depth, unused)

    def _place(self) -> Countable | None:
        """Return a quantity that is not defined yet and belongs to no total in use."""
        for node in self.free:
            if not any(place in (None, node[0]) and thing in (None, node[1]) for place, thing in self.closed):
                self.free.remove(node)
                return node
        return None

    def _define(self, node: Countable, definition: Definition, value: int) -> Countable:
        self.definitions[node] = definition
        self.values[node] = value
        self.depths[node] = 1 + max((self.depths[one] for one in definition.of), default=-1)
        return node

    def _given(self) -> Countable | None:
        node, number = self._place(), self.rng.randint(2, 60)
        return None if node is None else self._define(node, Definition("given", number, ()), number)

    def _longer(self, end: Countable, depth: int) -> Countable | None:
        """Return what is one computation further: a total that contains `end`, or a quantity that is computed from it."""
        place, thing = end
        totals: list[Countable] = (
            [(place, None), (None, thing)] if place is not None and thing is not None else []
        )
        usable = [
            total for total in totals
            if len(inside := parts(total, self.definitions)) > 1
            and max(self.depths[one] for one in inside) == self.depths[end]
        ]  # fmt: skip
        if usable and self.rng.random() < 0.4:
            total = self.rng.choice(usable)
            inside = parts(total, self.definitions)
            self.closed.append(total)
            self.values[total] = sum(self.values[one] for one in inside)
            self.depths[total] = 1 + self.depths[end]
            return total if self.values[total] <= LARGEST else None
        return self._computed(end)

    def _computed(self, source: Countable) -> Countable | None:
        """Define a quantity by one computation with `source`, or return None if nothing fits."""
        value = self.values[source]
        kinds = ["more", "times", "sum", "fewer", "part", "difference"]
        self.rng.shuffle(kinds)
        for kind in kinds:
            if kind in ("sum", "difference"):
                other = self._other(source)
                if other is None:
                    continue
                first, second = self.rng.sample((source, other), 2)
                if kind == "difference" and self.values[first] < self.values[second]:
                    first, second = second, first
                one, two = self.values[first], self.values[second]
                result = one + two if kind == "sum" else one - two
                definition = Definition(kind, 0, (first, second))
            else:
                number = self.rng.randint(2, 5) if kind in ("times", "part") else self.rng.randint(2, 40)
                if kind == "part" and value % number:
                    continue
                result = {
                    "more": value + number,
                    "fewer": value - number,
                    "times": value * number,
                    "part": value // number,
                }[kind]
                definition = Definition(kind, number, (source,))
            if 0 < result <= LARGEST:
                node = self._place()
                return None if node is None else self._define(node, definition, result)
        return None

    def _other(self, source: Countable) -> Countable | None:
        """Return a second operand that is not deeper than `source`: one that is there, or a new given one."""
        there = [node for node in self.values if node != source and self.depths[node] <= self.depths[source]]
        if there and self.rng.random() < 0.5:
            return self.rng.choice(there)
        return self._given()

    def _needed(self, asked: Countable) -> set[Countable]:
        needed, open_ = set[Countable](), [asked]
        while open_:
            node = open_.pop()
            if node not in needed:
                needed.add(node)
                open_ += (
                    self.definitions[node].of if node in self.definitions else parts(node, self.definitions)
                )
        return needed


def write(graph: Graph, rng: random.Random, language: str) -> Puzzle:
    """Write the problem in words, its sentences in any order, with the computation of what is needed and a program."""
    theme = THEMES[graph.theme]
    everything = theme.everything[language]
    sentences = [
        _sentence(graph, node, definition, rng, language) for node, definition in graph.definitions.items()
    ]
    rng.shuffle(sentences)
    opening = rng.choice(OPENINGS[language]).format(everything=everything)
    asked = rng.choice(QUESTIONS[language]).format(x=phrase(graph, graph.asked, language))
    if language == "zh":
        question = opening + "。".join(sentences) + "。" + asked
    else:
        question = " ".join([opening, *(f"{capital(one)}." for one in sentences), asked])
    manner = rng.choice(STEPS[language])
    known = {node: str(value) for node, value in graph.values.items()}
    steps, lines, names = [], [], {}
    for number, node in enumerate(_order(graph), start=1):
        names[node] = f"q{number}"
        sides = _computation(graph, node, known).replace("//", "/")
        result = f"{sides} = {graph.values[node]}" if sides != str(graph.values[node]) else sides
        what = phrase(graph, node, language)
        steps.append(capital(manner.format(what=what, result=result)))
        lines.append(f"{names[node]} = {_computation(graph, node, names)}  # {what}")
    program = "\n".join([*lines, f"print({names[graph.asked]})"])
    sizes = {"depth": graph.depth, "unneeded": graph.unneeded, "quantities": len(graph.definitions)}
    return Puzzle(
        question, tuple(steps), str(graph.values[graph.asked]), min(5, 1 + graph.depth // 2), sizes, program
    )


def phrase(graph: Graph, node: Countable, language: str) -> str:
    """Return the name of a quantity or a total in a sentence."""
    theme, (place, thing) = THEMES[graph.theme], node
    kind = "quantity" if None not in node else "place" if thing is None else "thing"
    return PHRASES[language][kind].format(
        at=theme.at,
        place="" if place is None else theme.places[language][place],
        thing="" if thing is None else theme.things[language][thing],
        everything=theme.everything[language],
    )


def _sentence(
    graph: Graph, node: Countable, definition: Definition, rng: random.Random, language: str
) -> str:
    theme, (place, thing) = THEMES[graph.theme], node
    others = dict(zip("xy", (phrase(graph, one, language) for one in definition.of), strict=False))
    number = definition.number
    ordinals = PARTS_ZH if language == "zh" else ORDINALS
    nth = ordinals.get(number, "") if definition.kind == "part" else ""
    text = rng.choice(TEMPLATES[language][definition.kind]).format(
        place=theme.places[language][place or 0],
        thing=theme.things[language][thing or 0],
        unit=theme.unit,
        at=theme.at,
        n=number,
        nth=nth,
        **others,
    )
    return text.replace("one half of", "half of").replace("的二分之一", "的一半")


def _computation(graph: Graph, node: Countable, shown: Mapping[Countable, str]) -> str:
    """Return the right-hand side of a quantity, with `shown` for what it is computed from."""
    definition = graph.definitions.get(node)
    operands = [shown[one] for one in graph.parts(node)]
    if definition is None or definition.kind == "sum":
        return " + ".join(operands)
    number = definition.number
    return {
        "given": f"{number}",
        "more": f"{operands[0] if operands else ''} + {number}",
        "fewer": f"{operands[0] if operands else ''} - {number}",
        "times": f"{number} * {operands[0] if operands else ''}",
        "part": f"{operands[0] if operands else ''} // {number}",
        "difference": " - ".join(operands),
    }[definition.kind]


def _order(graph: Graph) -> list[Countable]:
    """Return what the asked quantity needs, each after what it is computed from."""
    order: list[Countable] = []
    open_: list[tuple[Countable, bool]] = [(graph.asked, False)]
    while open_:
        node, ready = open_.pop()
        if node in order:
            continue
        if ready:
            order.append(node)
        else:
            open_ += [(node, True), *((one, False) for one in reversed(graph.parts(node)))]
    return order


def puzzle(rng: random.Random, settings: Mapping[str, Any], language: str) -> Puzzle:
    """Draw and write a problem with the sizes of the settings."""
    graph = draw(rng, drawn(rng, settings, "depth"), drawn(rng, settings, "unneeded"))
    return write(graph, rng, language)
