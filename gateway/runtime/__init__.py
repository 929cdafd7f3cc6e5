"""The asynchronous shell around the decisions: reload, execute, record."""
