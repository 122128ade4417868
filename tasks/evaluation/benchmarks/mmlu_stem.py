"""The subjects of science and mathematics in MMLU, in one file: `question`, `choices`, `answer` and the subject in `type`."""

names = ("mmlustem",)
domain = "STEM"
capability = "knowledge"
