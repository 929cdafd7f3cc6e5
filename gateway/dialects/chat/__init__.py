"""The chat completions dialect of OpenAI, and of the many who speak it."""
