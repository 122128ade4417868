"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): `question`, and `answer` with the number behind `####`; MGSM and GSM-Hard keep its kind."""

names = ("gsm8k", "gsm", "mgsm", "gsmhard", "gsmplus", "gsmsymbolic")
domain = "problem solving"
capability = "mathematics"
