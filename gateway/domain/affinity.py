"""A conversation's pin: the model that answered it last, and how long that counts."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin as it is kept over restarts: which model, and until which aware moment."""

    model: str
    until: datetime
