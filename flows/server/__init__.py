"""The Prefect server of a home, and the automations that act on its events."""
