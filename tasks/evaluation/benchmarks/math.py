"""MATH (Hendrycks et al. 2021, arXiv:2103.03874): `problem`, `solution` with the answer in a box, `level`, `type`; and MATH-500."""

names = ("math", "math500")
domain = "problem solving"
capability = "mathematics"
subsets = False  # many files of other benchmarks begin with the word
