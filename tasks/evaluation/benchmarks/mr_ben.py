"""MR-Ben (Zeng et al. 2024, arXiv:2406.13975): `Model_Solution_Steps` with `Model_Solution_Correctness` and `Model_Solution_First_Error_Step`."""

names = ("mrben", "mrbenmath")
domain = "logic"
capability = "reasoning"
