"""The configuration of each flow: the form that the Prefect UI shows, and the file that `--config` reads."""
