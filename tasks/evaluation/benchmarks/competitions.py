"""Competition problems: the tasks of lm-evaluation-harness on MATH, OlympiadBench, OlymMATH, IMO-AnswerBench, AIME, AMC and the cloze problems of Gaokao."""

names = (
    "hendrycksmath",
    "minervamath",
    "olympiadbench",
    "olympiad",
    "olymmath",
    "imo",
    "imoanswerbench",
    "aime",
    "amc",
    "gaokaomathcloze",
)
domain = "problem solving"
capability = "mathematics"
