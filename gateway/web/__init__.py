"""The HTTP edge: inference, operations, and the errors in the caller's dialect."""
