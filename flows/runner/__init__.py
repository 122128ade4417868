"""What every flow needs to run: stages as task runs, resources, limits, progress, artifacts and publication."""
