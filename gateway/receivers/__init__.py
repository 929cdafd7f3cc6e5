"""Formats of alert messages: from an alert to the request that brings it, without any I/O."""
