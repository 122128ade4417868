"""Ways to train, found by name: each module has `run(job) -> metrics`, which writes the stage's checkpoint."""
