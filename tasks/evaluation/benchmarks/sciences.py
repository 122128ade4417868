"""Other multiple choice in science: ARC and SciQ."""

names = ("arc", "arcchallenge", "arceasy", "sciq")
domain = "STEM"
capability = "knowledge"
