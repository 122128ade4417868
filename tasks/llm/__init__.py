"""Calls to models: one engine for all endpoints, with retries, budgets and the ledger."""
