"""Is one model better than another, on which kind of problem, and how sure is that?"""
