"""Multiple choice in mathematics: AQuA-RAT, MathQA, SAT and Gaokao, whose columns the usual conventions read."""

names = ("aqua", "aquarat", "mathqa", "sat", "satmath", "gaokao", "gaokaomathqa")
domain = "other mathematics"
capability = "mathematics"
