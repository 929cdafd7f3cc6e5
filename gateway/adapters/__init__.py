"""The outside world: clock, directory watcher, upstream HTTP, SQLite, Prometheus."""
