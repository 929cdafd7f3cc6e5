"""The nouns: frozen values that every other room speaks in. No clock, disk, socket, logging or asyncio."""
