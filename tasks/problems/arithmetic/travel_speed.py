"""Distance, speed and time.

Level 1: the distance from speed and minutes. Level 2: the average speed over two legs. Level 3: two
vehicles approaching each other, one with a head start. There are over 5,000 questions at level 1.
"""

from __future__ import annotations

import random
from fractions import Fraction

from tasks.problems.machinery.family import Values, Worked
from tasks.problems.machinery.notation import fraction, plain, require
from tasks.problems.machinery.slots import Number
from tasks.problems.machinery.words import VEHICLES

subdomain = "rates and units"
concepts = ("speed, distance and time", "unit conversion", "average speed")
templates = {
    "en": {
        1: [
            "A {thing} travels at a constant {v} km/h. How many kilometres does it cover in {m} minutes?",
            "At a steady speed of {v} km/h, what distance in kilometres does a {thing} cover in {m} minutes?",
            "A {thing} moves at {v} km/h for {m} minutes without changing speed. Find the distance in kilometres.",
        ],
        2: [
            "A {thing} goes {s} km at {v} km/h and then {d} km at {w} km/h. What is its average speed for the whole trip, in km/h?",
            "On a trip, a {thing} covers the first {s} km at {v} km/h and the remaining {d} km at {w} km/h. Find its average speed over the trip in km/h.",
            "A {thing} drives {s} km at a speed of {v} km/h, followed by {d} km at a speed of {w} km/h. What average speed in km/h does that make?",
        ],
        3: [
            "Two towns are {s} km apart. A {thing} leaves the first town towards the second at {v} km/h. {m} minutes later a {other} leaves the second town towards the first at {w} km/h. How many hours after the {other} starts do they meet?",
            "A {thing} sets out from A to B, {s} km away, at {v} km/h. After {m} minutes a {other} sets out from B to A on the same road at {w} km/h. How many hours does the {other} travel before the two meet?",
            "A and B are joined by a road of {s} km. A {thing} starts at A at {v} km/h, and {m} minutes after it a {other} starts at B at {w} km/h in the opposite direction. Find the time in hours from the start of the {other} to their meeting.",
        ],
    },
    "zh": {
        1: [
            "一辆{thing}以每小时 {v} 千米的速度匀速行驶，{m} 分钟行驶多少千米？",
            "一辆{thing}的速度是每小时 {v} 千米，照这样行驶 {m} 分钟，路程是多少千米？",
        ],
        2: [
            "一辆{thing}先以每小时 {v} 千米的速度行驶 {s} 千米，再以每小时 {w} 千米的速度行驶 {d} 千米，全程的平均速度是每小时多少千米？",
            "一辆{thing}前 {s} 千米的速度是每小时 {v} 千米，后 {d} 千米的速度是每小时 {w} 千米，求它全程的平均速度（千米/时）。",
        ],
        3: [
            "甲、乙两地相距 {s} 千米。一辆{thing}以每小时 {v} 千米的速度从甲地开往乙地，{m} 分钟后，一辆{other}以每小时 {w} 千米的速度从乙地开往甲地。{other}出发几小时后两车相遇？",
            "一条公路连接甲、乙两地，长 {s} 千米。一辆{thing}从甲地出发，每小时行 {v} 千米；{m} 分钟后一辆{other}从乙地相向而行，每小时行 {w} 千米。从{other}出发到两车相遇要多少小时？",
        ],
    },
}
slots = {
    "thing": VEHICLES, "other": VEHICLES, "v": Number(1, 10**4), "w": Number(1, 10**4),
    "m": Number(1, 10**5), "s": Number(1, 10**6), "d": Number(1, 10**6),
}  # fmt: skip


def draw(rng: random.Random, level: int) -> Values:
    thing, other = rng.sample(range(len(VEHICLES)), 2)
    if level == 1:
        m = rng.choice((5, 10, 12, 15, 20, 30, 40, 45, 50, 75, 80, 90, 100, 105, 135, 150))
        return {"form": 1, "thing": thing, "v": 12 * rng.randint(2, 10) + rng.choice((0, 6)), "m": m}
    v, w = rng.sample(range(30, 125, 5), 2)
    if level == 2:
        s, d = v * rng.randint(1, 5), w * rng.randint(1, 5)
        return {"form": 2, "thing": thing, "v": v, "w": w, "s": s, "d": d}
    m = rng.choice((12, 15, 20, 24, 30, 36, 40, 45, 48, 60, 75, 90))
    s = -(-v * m // 60) + rng.randint(4, 60) * 5
    return {"form": 3, "thing": thing, "other": other, "v": v, "w": w, "m": m, "s": s}


def work(values: Values, language: str) -> Worked:
    form, v = int(values["form"]), int(values["v"])
    zh = language == "zh"
    steps: tuple[str, ...]
    if form == 1:
        m = int(values["m"])
        time, way = Fraction(m, 60), Fraction(v * m, 60)
        steps = (
            f"{m} 分钟 = {m} / 60 小时 = {time} 小时。"
            if zh
            else f"In hours, {m} minutes are {m} / 60 = {time}.",
            f"路程 = 速度 * 时间：{v} * {plain(time)} = {way} 千米。"
            if zh
            else f"The distance is speed times time: {v} * {plain(time)} = {way} km.",
        )
        return Worked(fraction(way), steps, f"from fractions import Fraction\nprint({v} * Fraction({m}, 60))")
    w, s = int(values["w"]), int(values["s"])
    if form == 2:
        d = int(values["d"])
        first, second = Fraction(s, v), Fraction(d, w)
        total = first + second
        speed = (s + d) / total
        steps = (
            f"前一段用时 {s} / {v} = {first} 小时，后一段用时 {d} / {w} = {second} 小时。"
            if zh
            else f"The legs take {s} / {v} = {first} and {d} / {w} = {second} hours.",
            f"总路程 {s} + {d} = {s + d} 千米，总时间 {first} + {second} = {total} 小时。"
            if zh
            else f"The whole way is {s} + {d} = {s + d} km, the whole time {first} + {second} = {total} hours.",
            f"平均速度：{s + d} / {plain(total)} = {speed} 千米/时。"
            if zh
            else f"The average speed is {s + d} / {plain(total)} = {speed} km/h.",
        )
        program = f"from fractions import Fraction\ntime = Fraction({s}, {v}) + Fraction({d}, {w})\nprint({s + d} / time)"
        return Worked(fraction(speed), steps, program)
    m, thing, other = int(values["m"]), values["thing"], values["other"]
    ahead = Fraction(v * m, 60)
    require(thing != other, "two vehicles of one name")
    require(ahead < s, "the first vehicle has arrived before the second starts")
    time = (s - ahead) / (v + w)
    thing, other = VEHICLES.show(thing, language), VEHICLES.show(other, language)
    steps = (
        f"{thing}先行 {v} * {m} / 60 = {ahead} 千米。"
        if zh
        else f"Ahead of the other, the {thing} covers {v} * {m} / 60 = {ahead} km.",
        f"{other}出发时两车相距 {s} - {plain(ahead)} = {s - ahead} 千米。"
        if zh
        else f"When the {other} starts, they are {s} - {plain(ahead)} = {s - ahead} km apart.",
        f"两车每小时共行 {v} + {w} = {v + w} 千米。"
        if zh
        else f"Together they close {v} + {w} = {v + w} km an hour.",
        f"相遇时间：{plain(s - ahead)} / {v + w} = {time} 小时。"
        if zh
        else f"They meet after {plain(s - ahead)} / {v + w} = {time} hours.",
    )
    program = (
        f"from fractions import Fraction\nahead = Fraction({v} * {m}, 60)\nprint(({s} - ahead) / ({v} + {w}))"
    )
    return Worked(fraction(time), steps, program)
