"""GPQA (Rein et al. 2023, arXiv:2311.12022): `Question`, `Correct Answer` and `Incorrect Answer 1` to `3`, which are shown in an order of their own."""

names = ("gpqa", "gpqadiamond", "gpqamain", "gpqaextended")
domain = "STEM"
capability = "knowledge"
