"""Systems of equations in words.

Level 1: heads and legs. Level 2: two kinds of tickets. Level 3: three kinds, with a relation between
two of them. There are about 2,000 questions at level 1.
"""

from __future__ import annotations

import random

from tasks.problems.machinery.family import Steps, Values, Worked
from tasks.problems.machinery.notation import plain, require
from tasks.problems.machinery.slots import Number, Words

subdomain = "systems of equations"
concepts = ("systems of linear equations", "modelling with equations")
EVENTS = Words(
    en=("concert", "museum", "circus", "theatre", "zoo", "film festival", "football match", "science fair"),
    zh=("音乐会", "博物馆", "马戏团", "剧院", "动物园", "电影节", "足球赛", "科技展"),
)
BIRDS = Words(en=("chickens", "ducks", "geese", "turkeys"), zh=("鸡", "鸭子", "鹅", "火鸡"))
BEASTS = Words(en=("rabbits", "sheep", "goats", "dogs", "cats"), zh=("兔子", "绵羊", "山羊", "狗", "猫"))
templates = {
    "en": {
        1: [
            "A farmer keeps {birds} and {beasts}. Together they have {n} heads and {r} legs. How many {beasts} are there?",
            "There are {n} animals in a yard, all of them {birds} or {beasts}, with {r} legs in all. How many {beasts} are in the yard?",
            "In a pen with {birds} and {beasts}, {n} heads and {r} legs are counted. Find the number of {beasts}.",
        ],
        2: [
            "For a {event}, {n} tickets were sold: adult tickets at ${p} and child tickets at ${q}. The sales came to ${r}. How many adult tickets were sold?",
            "Tickets to a {event} cost ${p} for adults and ${q} for children. {n} people paid ${r} altogether. How many of them were adults?",
            "A {event} took in ${r} from {n} visitors. Adults paid ${p} each and children ${q} each. Find the number of adults.",
        ],
        3: [
            "For a {event}, {n} tickets were sold: adult tickets at ${p}, child tickets at ${q} and senior tickets at ${t}. There were {k} times as many child tickets as senior tickets, and the sales came to ${r}. How many adult tickets were sold?",
            "Tickets to a {event} cost ${p} for adults, ${q} for children and ${t} for seniors. {n} people paid ${r} altogether, and the children were {k} times as many as the seniors. How many adults were there?",
            "A {event} took in ${r} from {n} visitors. Adults paid ${p}, children ${q} and seniors ${t} each, with {k} times as many children as seniors. Find the number of adults.",
        ],
    },
    "zh": {
        1: [
            "{birds}和{beasts}关在一起，共有 {n} 个头、{r} 条腿，{beasts}有多少只？",
            "农场里的{birds}和{beasts}一共 {n} 只，合计 {r} 条腿。问{beasts}有几只？",
        ],
        2: [
            "{event}共售出 {n} 张票，成人票每张 {p} 元，儿童票每张 {q} 元，总收入 {r} 元。售出成人票多少张？",
            "{event}的门票成人 {p} 元、儿童 {q} 元。{n} 名观众一共付了 {r} 元，其中成人有多少名？",
        ],
        3: [
            "{event}共售出 {n} 张票，成人票每张 {p} 元，儿童票每张 {q} 元，老人票每张 {t} 元，儿童票的张数是老人票的 {k} 倍，总收入 {r} 元。售出成人票多少张？",
            "{event}的门票成人 {p} 元、儿童 {q} 元、老人 {t} 元。{n} 名观众一共付了 {r} 元，儿童人数是老人人数的 {k} 倍，求成人的人数。",
        ],
    },
}
_PRICE = Number(1, 10**4)
slots = dict.fromkeys("pqt", _PRICE) | {
    "n": Number(2, 10**6), "r": Number(1, 10**8), "k": Number(2, 100),
    "event": EVENTS, "birds": BIRDS, "beasts": BEASTS,
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    if level == 1:
        birds, beasts = rng.randint(3, 30), rng.randint(3, 30)
        kinds = {"birds": rng.randrange(len(BIRDS)), "beasts": rng.randrange(len(BEASTS))}
        return {"form": 1, **kinds, "n": birds + beasts, "r": 2 * birds + 4 * beasts}
    event = rng.randrange(len(EVENTS))
    p, q = rng.randint(12, 40), rng.randint(4, 11)
    adults, children = rng.randint(20, 200), rng.randint(10, 150)
    if level == 2:
        return {
            "form": 2,
            "event": event,
            "p": p,
            "q": q,
            "n": adults + children,
            "r": p * adults + q * children,
        }
    k, seniors = rng.randint(2, 5), rng.randint(8, 60)
    t = rng.choice([price for price in range(5, 20) if price not in (p, q)])
    n, r = adults + (k + 1) * seniors, p * adults + (k * q + t) * seniors
    return {"form": 3, "event": event, "p": p, "q": q, "t": t, "k": k, "n": n, "r": r}


def work(values: Values, language: str) -> Worked:
    form, n, r = int(values["form"]), int(values["n"]), int(values["r"])
    steps = Steps(language)
    head = "from sympy import solve, symbols\n"
    if form == 1:
        extra = r - 2 * n
        require(extra >= 0 and extra % 2 == 0 and extra <= 2 * n, "no such animals")
        beasts = BEASTS.show(values["beasts"], language)
        line = f"{n} * 2 = {2 * n}"
        steps.say(
            f"If all had two legs, there would be {line} legs.", f"假设每只都是两条腿，共有 {line} 条腿。"
        )
        line = f"{r} - {2 * n} = {extra}"
        steps.say(
            f"There are {line} legs more, two for each of the {beasts}.",
            f"多出 {line} 条腿，每只{beasts}多两条。",
        )
        line = f"{extra} / 2 = {extra // 2}"
        steps.say(f"So there are {line} {beasts}.", f"所以{beasts}有 {line} 只。")
        program = f"{head}x, y = symbols('x y')\nprint(solve([x + y - {n}, 2*x + 4*y - {r}], [x, y])[y])"
        return Worked(str(extra // 2), steps.all(), program)
    p, q = int(values["p"]), int(values["q"])
    if form == 2:
        _whole(r - q * n, p - q, n)
        adults = (r - q * n) // (p - q)
        line = f"{n} * {q} = {n * q}"
        steps.say(
            f"At the child price alone the sales would be {line}.", f"若全按儿童票计算，收入为 {line} 元。"
        )
        line = f"{r} - {n * q} = {r - n * q}"
        steps.say(f"The adults add {line}.", f"成人多付 {line} 元。")
        line = f"{r - n * q} / ({p} - {q}) = {adults}"
        steps.say(f"The number of adults is {line}.", f"成人数：{line}。")
        program = f"{head}x, y = symbols('x y')\nprint(solve([x + y - {n}, {p}*x + {q}*y - {r}], [x, y])[x])"
        return Worked(str(adults), steps.all(), program)
    t, k = int(values["t"]), int(values["k"])
    group, price = k + 1, k * q + t
    below = p * group - price
    require(below != 0, "the prices do not tell the kinds apart")
    _whole(p * n - r, below, n // group)
    seniors = (p * n - r) // below
    adults = n - group * seniors
    line = f"{k} * {q} + {t} = {price}"
    steps.say(
        f"Each senior comes with {k} children; such a group of {group} pays {line}.",
        f"每 1 名老人对应 {k} 名儿童，这样 {group} 人一组付 {line} 元。",
    )
    line = f"{p} * {group} - {price} = {below}"
    steps.say(f"If they paid as adults, it would be {line} more.", f"若按成人票计算，每组多 {line} 元。")
    line = f"{p} * {n} - {r} = {p * n - r}"
    steps.say(
        f"All {n} at the adult price would pay {line} more than was paid.",
        f"全部按成人票计算，比实际多 {line} 元。",
    )
    line = f"{p * n - r} / {plain(below)} = {seniors}"
    steps.say(f"So there are {line} seniors.", f"所以老人有 {line} 名。")
    line = f"{n} - {group} * {seniors} = {adults}"
    steps.say(f"The number of adults is {line}.", f"成人数：{line}。")
    program = (
        f"{head}x, y, z = symbols('x y z')\n"
        f"print(solve([x + y + z - {n}, y - {k}*z, {p}*x + {q}*y + {t}*z - {r}], [x, y, z])[x])"
    )
    return Worked(str(adults), steps.all(), program)


def _whole(top: int, bottom: int, most: int) -> None:
    require(bottom != 0 and top % bottom == 0 and 0 <= top // bottom <= most, "no whole number of people")
