"""The durable state: row schema, dataset versions, completion ledger, indexes."""
