"""The terms of shift detection: every figure that decides, by name."""

from dataclasses import dataclass, field
from typing import Final

from gateway.domain.shift import Dimensions

DAY_S: Final = 86400


@dataclass(frozen=True, slots=True)
class Terms:
    """What it takes for a shift to be told.

    Scores are in standard deviations, gates in shares of usual spend: `least_impact` of the spend of the same time,
    `least_spent` of a day's. No shift is told in the first `warm_up_days`; after `calibrated_from_days` the series'
    own wanderings are learned, and a score must pass the worst of them by `past_margin`. What one asks beyond usual
    must be as much as is usual in `volume_minutes`, so that a burst is none.
    """

    dimensions: Dimensions = field(default_factory=Dimensions)
    bucket_s: int = 300
    warm_up_days: float = 14.0
    calibrated_from_days: float = 4.0
    lag_days: int = 2
    history_days: float = 28.0
    score: float = 6.0
    score_at_edit: float = 4.5
    score_down: float = 8.0
    past_margin: float = 1.25
    least_calls: float = 8.0
    least_calls_cached: float = 24.0
    least_impact: float = 0.05
    least_spent: float = 0.0015
    least_impact_at_edit: float = 0.03
    least_spent_at_edit: float = 0.0007
    volume_ratio: float = 1.8
    volume_wander: float = 0.3
    volume_calls: float = 12.0
    volume_minutes: float = 40.0
    volume_impact: float = 0.06
    volume_spent: float = 0.006
    fallback_share: float = 0.3
    fallback_calls: float = 6.0
    price_change: float = 0.04
    price_calls: float = 4.0
    price_impact: float = 0.02
    warning_impact: float = 0.1
    critical_impact: float = 0.3
    new_normal_days: float = 3.0
    new_normal_days_of_creep: float = 10.0
    most_values: int = 300


SCALES_S: Final = (600, 2400, 9600, 38400, DAY_S, 3 * DAY_S)
"""Over what time scores are gathered: each is the mean age of what counts."""
LEVEL_BUCKETS: Final = (1, 6, 48)
"""After how many buckets each level of scales is brought up to date: two scales a level."""
SCALES_A_LEVEL: Final = 2
