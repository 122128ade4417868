"""CMMLU (Li et al. 2023, arXiv:2306.09212): `Question`, columns `A` to `D` and the letter in `Answer`, one CSV file per subject."""

names = ("cmmlu", "ceval")
domain = "commonsense"
capability = "knowledge"
folders = True
