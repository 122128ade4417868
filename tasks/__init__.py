"""The work of the flows: plain functions over rows, without Prefect and without global state."""
