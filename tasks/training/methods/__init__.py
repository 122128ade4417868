"""Training methods, looked up by file name. Each module has `run(job) -> metrics`, which writes the stage's checkpoint."""
