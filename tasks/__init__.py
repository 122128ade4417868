"""The work: plain functions over rows. No Prefect, no global state, one file per idea."""
