"""A table of answers that are equal and answers that are different; every gold answer equals itself."""

from __future__ import annotations

import pytest

from tasks.answers import Judge

EQUAL = [
    # numbers
    ("42", "42"), ("42.0", "42"), ("042", "42"), ("+7", "7"), ("-0", "0"), ("1,234,567", "1234567"), ("1 234 567", "1234567"),
    ("1{,}000", "1000"), ("1\\,000", "1000"), ("−5", "-5"), ("３．５", "3.5"), (".5", "0.5"), ("5.", "5"),
    ("3.50", "3.5"), ("2.4000000000000004", "2.4"), ("0.30000000000000004", "0.3"), ("0.1", "1/10"),
    ("0.333333", "1/3"), ("0.3333333333333333", "\\frac{1}{3}"), ("0,125", "0.125"), ("0.\\overline{3}", "1/3"),
    ("0.1\\overline{6}", "\\frac16"), ("0x1F", "31"),
    # fractions and mixed numbers
    ("1/2", "\\frac{1}{2}"), ("\\dfrac12", "\\tfrac{1}{2}"), ("-\\frac{1}{2}", "\\frac{-1}{2}"), ("2/4", "1/2"), ("½", "0.5"),
    ("1 1/2", "3/2"), ("1\\frac{1}{2}", "1.5"), ("6/3", "2"), ("\\frac{600}{7}", "600/7"), ("\\frac{x+1}2", "(x+1)/2"),
    # percents
    ("50%", "50\\%"), ("50%", "1/2"), ("12.5%", "0.125"), ("25", "25\\%"), ("40.0\\%", "40"), ("25 percent", "25%"),
    ("32.8\\%", "\\frac{41}{125}"),
    # scientific notation and powers
    ("1.5e-3", "0.0015"), ("1.5 \\times 10^{-3}", "0.0015"), ("3.0×10^8", "300000000"), ("10^5", "100000"), ("10^{-2}", "0.01"),
    ("2^{10}", "1024"), ("5!", "120"), ("\\binom{5}{2}", "10"),
    # money, units, counted things
    ("$5", "5"), ("\\$5.00", "5 dollars"), ("$1,000", "1000"), ("50 cents", "$0.50"), ("€20", "20 euros"), ("5 cm", "5"),
    ("5\\text{ cm}", "5 cm"), ("500 cm", "5 m"), ("25\\text{ cm}^2", "25 square centimeters"), ("90 minutes", "1.5 hours"),
    ("1 hour 30 minutes", "90 minutes"), ("18 hours and 48 minutes", "1128"), ("60 miles per hour", "60"), ("60 km/h", "60"),
    ("7 apples", "7"), ("168 shells", "168"), ("30^\\circ", "30"), ("30°", "30^{\\circ}"), ("30 degrees", "30°"),
    ("2 kg", "2000 g"), ("3 dozen", "36"), ("3 million", "3,000,000"), ("twenty-five", "25"), ("\\frac{542}{3}\\text{ seconds}", "542/3"),
    # Chinese
    ("5元", "5"), ("5元", "5"), ("25个", "25"), ("三", "3"), ("二十五", "25"), ("两百零五", "205"), ("一万二千", "12000"), ("三分之一", "1/3"),
    ("百分之二十", "20%"), ("负三", "-3"), ("3万", "30000"), ("1.5亿", "150000000"), ("5米", "500厘米"), ("5米20厘米", "520厘米"), ("3元5角", "3.5元"),
    ("2小时", "120分钟"), ("12平方米", "12"), ("三点一四", "3.14"), ("x=3或x=5", "3, 5"), ("2和3", "3, 2"), ("正确", "是"), ("（1，2）", "(1,2)"),
    ("80千米/时", "80"), ("答案是12", "12"), ("约12", "12"), ("5天", "5"),
    # wrappers
    ("**73**", "73"), ("$73$", "73"), ("\\(73\\)", "73"), ("\\boxed{73}", "73"), ("`73`", "73"), ("73.", "73"), ("\"73\"", "73"),
    ("(73)", "73"), ("\\text{73}", "73"), ("The answer is 73.", "73"), ("___73___", "73"), ("20 - 15 = 5", "5"), ("$40 + $105 = $145", "145"),
    # choices and words
    ("B", "(B)"), ("b", "B"), ("B.", "B"), ("(B) 12", "B"), ("\\text{B}", "B"), ("Tuesday", "tuesday"), ("\\text{Evelyn}", "Evelyn"), ("True", "yes"),
    ("the circle", "circle"), ("infinitely many", "\\text{infinitely many}"), ("no solution", "无解"),
    # radicals, constants, expressions
    ("\\sqrt{2}", "2^{1/2}"), ("√2", "\\sqrt2"), ("\\frac{1}{\\sqrt{2}}", "\\frac{\\sqrt{2}}{2}"), ("2π", "2\\pi"), ("sqrt(2)/2", "\\frac{\\sqrt2}{2}"),
    ("x**2 + 2*x + 1", "(x+1)^2"), ("x^2+2x+1", "(x+1)^2"), ("Rational(1, 2)", "0.5"), ("\\log_2 8", "3"), ("5\\sqrt[3]{4}", "5 \\cdot 2^{2/3}"),
    ("2 \\arcsin \\sqrt{a}", "\\arccos(1-2a)"), ("2*x**3 + C", "2x^3+C"), ("\\cot t", "\\frac{\\cos t}{\\sin t}"), ("2+3i", "3i+2"),
    ("-\\frac{1}{10}(2x+6)^5 + C", "-\\frac{16x^5}{5} - 48x^4 - 288x^3 - 864x^2 - 1296x + C"), ("0.5\\cos(2x) + C", "\\cos(x)^2 + C"),
    ("07/08/1971", "7/8/1971"), ("1971-07-08", "1971/7/8"), ("simply 07/08/1971", "07/08/1971"),
    ("\\frac{\\pi}{6}", "30^\\circ"), ("\\cos 60^\\circ", "\\frac12"), ("|{-5}|", "5"),
    # equations and inequalities
    ("x=5", "5"), ("5", "x=5"), ("x = 5", "x=5"), ("y=2x+3", "y = 3+2x"), ("f(x)=x+1", "x+1"), ("x>2", "2<x"), ("k < -5", "(-\\infty,-5)"),
    ("(-\\infty, 0]", "a \\leq 0"), ("-1 \\le a \\le 3", "[-1, 3]"), ("4 < m \\le 8 \\text{ or } 10 \\le m < 12", "(4,8]\\cup[10,12)"),
    ("a ≠ 2", "a \\neq 2"), ("x \\in [-2,7]", "[-2,7]"), ("\\{x | -1 < x < 1\\}", "(-1,1)"),
    # sets, lists, tuples, intervals, matrices
    ("1,2", "2,1"), ("1, 2 and 3", "3,2,1"), ("\\{1,2\\}", "\\{2,1\\}"), ("[1, 2, 3]", "1,2,3"), ("(1, 2)", "(1,2)"), ("\\left(3, \\frac{\\pi}{2}\\right)", "(3,\\pi/2)"),
    ("(0,2),(0,-2)", "(0,-2), (0,2)"), ("1 \\pm \\sqrt{19}", "1+\\sqrt{19}, 1-\\sqrt{19}"), ("[2,5)", "[2, 5)"), ("(-∞, -3) ∪ (3, +∞)", "(-\\infty,-3)\\cup(3,\\infty)"),
    ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix}1 & 2 \\\\ 3 & 4\\end{bmatrix}"), ("Matrix([[1, 2], [3, 4]])", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"),
    ("\\begin{pmatrix} -7 \\\\ 16 \\\\ 5 \\end{pmatrix}", "(-7,16,5)"), ("\\emptyset", "\\varnothing"),
    # ratios, bases
    ("3:4", "6:8"), ("3:4", "3/4"), ("2:4:6", "1:2:3"), ("120_5", "120_{5}"), ("120", "120_5"), ("11_2", "3_{10}"),
]  # fmt: skip

DIFFERENT = [
    ("42", "43"), ("4.2", "42"), ("-5", "5"), ("2.5", "2.5000001"), ("1234", "1,235"), ("0.125", "0.126"), ("1/2", "1/3"), ("1 1/2", "11/2"),
    ("0.33", "1/3"), ("1e-10", "2e-10"), ("1/2^{99}", "1/2^{98}"), ("10^5", "10^6"), ("50%", "5%"), ("50%", "0.05"), ("0.\\overline{3}", "0.3"),
    ("5 cm", "5 m"), ("5 kg", "5 m"), ("50 cents", "50 dollars"), ("5元", "5角"), ("2小时", "2分钟"), ("90 minutes", "2 hours"), ("三", "4"), ("二十五", "52"),
    ("三分之一", "1/2"), ("3万", "3"), ("A", "B"), ("(C)", "D"), ("B) 12", "C"), ("yes", "no"), ("是", "否"), ("Tuesday", "Monday"), ("Evelyn", "Kevin"),
    ("live", "evil"), ("\\text{on}", "\\text{no}"), ("x=5", "6"), ("x=5", "y=5"), ("x>2", "x\\ge 2"), ("x>2", "x<2"), ("(1,2)", "(2,1)"), ("(1,2)", "[1,2]"),
    ("1,2", "1,3"), ("1,2", "1,2,3"), ("\\{1,2\\}", "\\{1,3\\}"), ("(1,2,3)", "(1,2,4)"), ("\\sqrt{2}", "\\sqrt{3}"), ("\\sqrt{2}", "2"), ("2\\pi", "\\pi"),
    ("\\pi", "3.14"), ("x^2+1", "x^2-1"), ("(x+1)^2", "x^2+1"), ("x+y-z+1=0", "0"), ("2*x**3", "2"), ("[2,5)", "[2,5]"), ("(2,5)", "(2,6)"), ("120_5", "120_6"),
    ("1:2:3", "1:2:4"), ("6:1:2", "3"), ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}"), ("30^\\circ", "60"), ("1 + \\sqrt{9}", "1 + \\sqrt{19}"),
    ("y=2x+1", "y=2x+2"), ("3x+2y=5", "3x+2y=6"), ("x/2^{99}", "x/2^{98}"), ("-\\frac{1}{2}", "\\frac12"), ("2+3i", "2-3i"), ("0x11", "0x585"), ("60^\\circ", "\\frac{\\pi}{6}"),
    ("\\cot t", "\\tan t"), ("4i", "4"), ("(0,2),(0,-2),(4,23)", "(0,2),(0,-2),(4,23),(4,-23)"), ("$117,200", "129200"), ("infinitely many", "5"),
    ("10/10/2000", "1/1/2000"), ("07/08/1971", "08/07/1971"), ("1971-07-08", "1971-07-09"), ("x^2 + C", "x^3 + C"), ("2x + C", "x + C"),
]  # fmt: skip

UNKNOWN = [
    ("", "5"), ("   ", "5"), ("...", "5"), ("___", "5"), ("?", "5"), ("5", ""), ("", ""), ("NaN", "5"), ("None", "5"), ("null", "7"),
    ("the sum is less than zero", "f(x) < 0"), ("cannot be determined", "5"), ("\\frac{1}{", "1"), ("9**9**9", "9**9**8"), ("\\foo{1}{2", "3"),
    ("85.71", "\\frac{600}{7}"), ("10.0995", "\\sqrt{102}"), ("{\"blue\": 4, \"red\": 6}", "10"), ("those congruent to 2 modulo 4", "n=4k+2"),
    ("x**2*sin(x) + C", "2*Integral(x**2*cos(3*x), x) + C"), ("07/08/1971", "1971-07-08"),
]  # fmt: skip


def _wrong(judge: Judge, pairs: list[tuple[str, str]], verdict: str) -> list[tuple[str, str, str]]:
    verdicts = judge.equal(pairs)
    return [(a, b, got) for (a, b), got in zip(pairs, verdicts, strict=True) if got != verdict]


def test_the_table_is_as_large_as_it_says() -> None:
    assert len(set(EQUAL)) + len(set(DIFFERENT)) >= 120


@pytest.mark.slow
def test_equal_answers(judge: Judge) -> None:
    assert _wrong(judge, EQUAL, "equal") == []


@pytest.mark.slow
def test_different_answers(judge: Judge) -> None:
    assert _wrong(judge, DIFFERENT, "different") == []


@pytest.mark.slow
def test_different_answers_are_different_the_other_way_round(judge: Judge) -> None:
    # the right side of an equation alone counts where the gold is an equation: not symmetric by design
    pairs = [(b, a) for a, b in DIFFERENT if "=" not in a + b]
    assert _wrong(judge, pairs, "different") == []


@pytest.mark.slow
def test_what_cannot_be_read_is_unknown(judge: Judge) -> None:
    assert _wrong(judge, UNKNOWN, "unknown") == []


def test_every_answer_equals_itself(judge: Judge) -> None:
    golds = sorted({answer for pair in EQUAL + DIFFERENT for answer in pair})
    assert _wrong(judge, [(gold, gold) for gold in golds], "equal") == []


def test_spelling_does_not_change_the_verdict(judge: Judge) -> None:
    wrappers = ("${}$", "**{}**", "\\boxed{{{}}}", " {} ", "{}.", "\\( {} \\)")
    golds = ["\\frac{1}{2}", "12", "x=5", "(1,2)", "\\sqrt{3}", "7 apples", "B", "三分之一"]
    pairs = [(wrapper.format(gold), gold) for wrapper in wrappers for gold in golds]
    assert _wrong(judge, pairs, "equal") == []
