"""The verbs: pure functions from values to values. Time, randomness and compiled regexes are arguments."""
