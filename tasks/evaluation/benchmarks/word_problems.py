"""Word problems of school: SVAMP, ASDiv, MAWPS, MultiArith and CMATH, whose columns the usual conventions read."""

names = ("svamp", "asdiv", "mawps", "multiarith", "cmath", "cmath23k", "math23k")
domain = "problem solving"
capability = "mathematics"
