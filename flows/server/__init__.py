"""The Prefect server of a home, the deployments served on it, and the automations that act on its events."""
