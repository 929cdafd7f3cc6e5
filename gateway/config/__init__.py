"""Rule files to a Snapshot, or to all of their Problems."""
