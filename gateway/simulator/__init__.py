"""Simulated providers: real HTTP on loopback, both dialects, scripted latency and faults."""
