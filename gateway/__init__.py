"""Rulegate: a gateway for LLM traffic that decides per request, by rules in small YAML files."""
