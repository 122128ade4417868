"""The stages of a run. Each module has one function over the rows of a shard and is named after the stage's id.

In the order in which rows pass them:

    ingest        read the user's files as seed problems
    generate      have the teacher write questions
    similarity    drop questions that are too similar to known ones
    semantic      flag or drop questions that say the same in other words
    solve         have the reasoner solve each question k times
    verify        run programs, compare answers and count the votes of the samples
    score         score rows with a plug-in of tasks/scorers and drop those below a threshold
    calibrate     fit what the votes are worth, on questions with known answers
    weigh         turn the votes into `correctness` and drop rows that are not likely enough to be right
    dedup         drop duplicate questions and duplicate solutions
    decontaminate drop rows that hold a benchmark item
    probe         ask the student questions with known answers, to learn where it fails
    retrieve      find the questions nearest to the student's failures
    mix           choose the rows of the version
    certify       compare the rows of the version with the benchmarks again and measure the rules

`outcome` holds what a stage returns and the balance that is checked for it; `rejudge` decides on stored
candidates again, without a model, for the flow `rebuild`.
"""
