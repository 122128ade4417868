"""Other benchmarks of finding the wrong step: MR-GSM8K, PRMBench, ProcessBench, BIG-Bench Mistake and verify_cot."""

names = ("mrgsm8k", "prmbench", "processbench", "bigbenchmistake", "verifycot")
domain = "logic"
capability = "reasoning"
