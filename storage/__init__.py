"""Durable state: the row schema, dataset versions, the completion ledger, the stage cache and indexes."""
