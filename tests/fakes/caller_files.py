"""Callers for tests of the whole daemon: their keys, and the section that holds the hashes."""

from hashlib import sha256


def key_of(name: str) -> str:
    """Give the key of a caller."""
    return f"rg-key-of-{name}"


def bearer(name: str) -> dict[str, str]:
    """Give the header that opens the door as OpenAI's clients do."""
    return {"Authorization": f"Bearer {key_of(name)}"}


def callers(**fields: str) -> str:
    """Give the section of callers, by name with the fields that each has beside its key."""
    lines = ["callers:"]
    for name, more in fields.items():
        digest = sha256(key_of(name).encode()).hexdigest()
        lines.append(f'  {name}: {{key_sha256: "{digest}"{", " if more else ""}{more}}}')
    return "\n".join([*lines, ""])
