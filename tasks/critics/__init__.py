"""Critics: what says whether a worked solution is right, and where it first goes wrong.

`steps` divides a solution into steps, `statements` reads the calculations that text states, `step_checker` recomputes them and points at
the first wrong step, `error_injection` makes right solutions wrong in a known place and way.
"""
