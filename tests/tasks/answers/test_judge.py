"""The contract of the judge: limits on hostile answers, threads, determinism, groups."""

from __future__ import annotations

import os
import signal
import sys
import threading

import psutil
import pytest

from tasks.answers import Groups, Judge, group, group_all, pool
from tasks.answers.pool import JudgeProcess, WorkerError
from tasks.seeding import rng_of

HOSTILE = [
    "9**9**9", "9^{9^{9}}", "10^{10^{10}}", "9^{9^{9^{9}}}", "100000000!", "((10!)!)!", "5!!!!!!!!", "2^{2^{2^{2^{2^{2}}}}}",
    "\\sum_{i=1}^{1000000000} i!", "\\prod_{i=1}^{10^9} i", "\\int_0^{\\infty} \\frac{\\sin(x^{x^x})}{x^{99}} dx", "x^{9999999}-1", "(x+y+z)^{5000}",
    "(" * 3000 + "1" + ")" * 3000, "\\frac{1}{" * 900 + "2" + "}" * 900, "\\sqrt{" * 500 + "2" + "}" * 500, "{" * 4000, "1" * 4000, "0." + "9" * 4000, "1e999999999", "1e-999999999",
    "10^{99999999999999}", "亿" * 2000, "-" * 4000 + "1", "1+" * 2000 + "1", "a" * 1_000_000, "7" * 1_000_000, "\\" * 4000, "$" * 4001,
    "\ud800", "\x00\x01\x02", "\u202e21", "'; import os; os._exit(1) #", "__import__('os').system('true')", "lambda: 0", "x" + "'" * 4000,
    "\\begin{pmatrix}" + "1&" * 1900 + "\\end{pmatrix}", "\\{" + "1," * 2000 + "1\\}", "," * 4000, "=" * 4000, "\\pm" * 1000, "(" + "\\pm 1," * 600 + ")",
]  # fmt: skip


@pytest.mark.soak
def test_the_judge_survives_hostile_answers() -> None:
    pairs = [(text, "x+1") for text in HOSTILE] + [("x+1", text) for text in HOSTILE[:9]]
    with Judge(workers=2, timeout_s=0.5) as judge:
        verdicts = judge.equal(pairs)
        assert [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict == "equal"] == []
        assert judge.equal([("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}")]) == ["equal"]


@pytest.mark.slow
def test_a_killed_worker_loses_only_its_own_pair(judge: Judge) -> None:
    # nested integrals hold sympy for minutes; the neighbours in the same batch are judged all the same
    slow = ("\\int_0^{1} \\frac{\\sin(x^{x^x})}{\\ln(x^{99}+\\cos(x^{x}))} dx", "\\frac{\\pi}{7}")
    pairs = [
        ("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}"),
        slow,
        ("(a+b)^2", "a^2+2ab+b^2"),
        ("(a+b)^2", "a^2+b^2"),
    ]
    assert judge.equal(pairs) == ["equal", "unknown", "equal", "different"]


HARD = ("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}")  # a pair for which a worker is needed


@pytest.mark.slow
def test_waiting_for_a_processor_changes_no_verdict() -> None:
    """The limit counts processor time: a worker that is held up for many times the limit still judges its pair."""
    with Judge(workers=1, timeout_s=0.5) as judge:
        child = _workers(judge)[0]._child
        assert child is not None
        child.suspend()
        verdicts: list[str] = []
        thread = threading.Thread(target=lambda: verdicts.extend(judge.equal([HARD])))
        thread.start()
        thread.join(timeout=5)
        assert (thread.is_alive(), verdicts) == (True, [])
        child.resume()
        thread.join()
        assert verdicts == ["equal"]
        assert child.is_running()


@pytest.mark.slow
@pytest.mark.parametrize(
    "_", range(4)
)  # how much of the request the stopped child has read depends on the scheduler
def test_a_worker_that_is_stopped_for_good_is_replaced(monkeypatch: pytest.MonkeyPatch, _: int) -> None:
    with Judge(workers=1) as judge:
        child = _workers(judge)[0]._child
        assert child is not None
        child.suspend()
        with (
            monkeypatch.context() as short
        ):  # not for the worker that replaces it, which may have to wait for a processor
            short.setattr(pool, "_STOPPED_SECONDS", 1.0)
            assert judge.equal([HARD]) == ["unknown"]
        assert judge.equal([HARD]) == ["equal"]
        assert _has_ended(child)


def _has_ended(child: psutil.Process) -> bool:
    """Return whether the process was killed, also where the first process of the machine has not waited for it yet."""
    try:
        return child.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _workers(judge: Judge) -> list[JudgeProcess]:
    assert judge.equal([("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}")]) == ["equal"]
    assert judge._pool is not None
    return list(judge._pool._idle)


@pytest.mark.slow
def test_memory_is_bounded(judge: Judge) -> None:
    for worker in _workers(judge):
        assert worker._child is not None
        assert worker._child.rlimit(psutil.RLIMIT_AS) == (1024 << 20, 1024 << 20)


# three workers are started, as one is in the test of a worker that is stopped for good
@pytest.mark.soak
def test_workers_that_die_are_replaced_and_none_is_left_behind() -> None:
    with Judge(workers=1) as judge:
        first = _workers(judge)[0]
        assert first._child is not None
        children = [first._child]
        first._child.kill()  # the child that judges: all is started anew
        second = _workers(judge)[0]
        children.append(second._child or children[0])
        assert children[0].pid != children[1].pid
        os.kill(second.process.pid, signal.SIGKILL)  # the warm process: the same
        second.process.wait()
        last = _workers(judge)[0]
        assert last.process.pid != second.process.pid
        children.append(last._child or children[0])
    assert last.process.returncode == -signal.SIGKILL
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (3, [])


def test_workers_that_cannot_start_are_our_fault_and_not_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        Judge(workers=0)
    with pytest.raises(ValueError, match="128 MB"):
        Judge(memory_mb=64)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Judge(workers=1) as judge, pytest.raises(WorkerError, match="did not start"):
        judge.equal([("\\sin(\\frac{\\pi}{6})", "\\frac{1}{2}")])


def test_no_worker_starts_for_what_is_certain() -> None:
    with Judge() as judge:
        assert judge.equal([("1", "1.0"), ("1/2", "0.5"), ("B", "C"), ("", "1")]) == [
            "equal",
            "equal",
            "different",
            "unknown",
        ]
        assert judge._pool is None


def test_threads_share_a_judge(judge: Judge) -> None:
    pairs = [(f"(x+{n})^2", f"x^2+{2 * n}x+{n * n}") for n in range(1, 6)] + [("x+1", "x+2")]
    verdicts: dict[int, list[str]] = {}

    def work(index: int) -> None:
        verdicts[index] = list(judge.equal(pairs))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [verdicts[index] for index in range(4)] == [["equal"] * 5 + ["different"]] * 4


def test_batches_do_not_change_verdicts(judge: Judge) -> None:
    pairs = [(f"x^2-{n}", f"(x-{m})(x+{m})") for n in (1, 4, 9) for m in (1, 2, 3)] * 2
    whole = judge.equal(pairs)
    assert whole == [judge.equal([pair])[0] for pair in pairs]
    assert whole == ["equal" if n == m * m else "different" for n in (1, 4, 9) for m in (1, 2, 3)] * 2


def test_groups_are_stable_and_skip_the_missing(judge: Judge) -> None:
    answers = ["1", "1.0", None, "x=2", "2", "\\sqrt{4}", "3", "1"]
    assert group(answers, judge) == Groups([0, 0, None, 1, 1, 1, 2, 0], frozenset())
    assert group([], judge) == Groups([], frozenset())
    assert group([None], judge) == Groups([None], frozenset())
    questions = [answers, [], [None], ["a+b", "7", "b+a", "7.0", "a"]]
    assert group_all(questions, judge) == [group(each, judge) for each in questions]
    assert group_all(questions, judge)[3] == Groups([0, 1, 0, 1, 2], frozenset())


def test_classes_that_cannot_be_compared_are_distinguished_from_different_ones(judge: Judge) -> None:
    assert group(["???", "cannot say", "???"], judge) == Groups([0, 1, 0], frozenset({(0, 1)}))
    assert group(["5", "the shape", "6", "5.0"], judge) == Groups([0, 1, 2, 0], frozenset({(0, 1), (1, 2)}))
    # whether 85.71 may be given for 600/7 the answers do not say; 85 is another number than both
    assert group(["600/7", "85", "85.71"], judge) == Groups([0, 1, 2], frozenset({(0, 2)}))


def test_the_order_of_answers_changes_no_class(judge: Judge) -> None:
    answers = [
        "600/7",
        "85.71",
        "85",
        "see above",
        None,
        "1200/14",
        "85.0",
        "the angle ABC",
        "85",
        "see above",
    ]

    def members(order: list[int]) -> tuple[set[frozenset[int]], set[frozenset[frozenset[int]]]]:
        groups = group([answers[i] for i in order], judge)
        each: dict[int, set[int]] = {}
        for i, number in zip(order, groups.classes, strict=True):
            if number is not None:
                each.setdefault(number, set()).add(i)
        sets = {number: frozenset(rows) for number, rows in each.items()}
        return set(sets.values()), {frozenset({sets[a], sets[b]}) for a, b in groups.incomparable}

    rng = rng_of("groups", "order")
    first = members(list(range(len(answers))))
    assert first[1]
    for _ in range(20):
        assert members(rng.sample(range(len(answers)), len(answers))) == first
