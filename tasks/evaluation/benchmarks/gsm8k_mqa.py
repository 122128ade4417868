"""GSM8K as multiple choice (GSM-MC, Zhang et al. 2024, arXiv:2405.11966): `Question`, columns `A` to `D`, and the letter in `Answer`."""

names = ("gsm8kmqa", "gsmmqa", "gsmmc", "gsm8kmc")
domain = "problem solving"
capability = "mathematics"
