"""MathBench (Liu et al. 2024, arXiv:2405.12209): `question`, `options` and the letter in `answer`, or `question` and `answer` alone.

MathBench-A asks for calculations, MathBench-T for theory. Its files are named by stage and language (`single_choice_en.jsonl`), in
folders such as `college_knowledge` inside one of the benchmark's name.
"""

names = ("mathbench", "mathbencha", "mathbencht", "mathbenchv1")
domain = "other mathematics"
capability = "mathematics"
folders = True
