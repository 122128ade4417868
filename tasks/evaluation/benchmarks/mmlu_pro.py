"""MMLU-Pro (Wang et al. 2024, arXiv:2406.01574): `question`, up to ten `options`, the letter in `answer`, its number in `answer_index`, and
`category`, by which the domain is decided as in MMLU."""

from tasks.evaluation.benchmarks.mmlu import of_record as of_record

names = ("mmlupro",)
domain = "commonsense"
capability = "knowledge"
