"""MiniWoB++ (Liu et al. 2018, arXiv:1802.08802): tasks on small web pages, from the package `miniwob`. They are no file of questions: a page runs in
a browser and rewards what is done in it. A file that lists such tasks is named as skipped, and the rest of the evaluation runs."""

names = ("miniwob", "miniwobplusplus")
domain = "agent"
capability = "reasoning"
skipped = "its tasks run in a browser, which evaluations do not drive"
