"""The responses dialect of OpenAI, without its stored state."""
