"""What all tests share: how hypothesis runs."""

from hypothesis import settings

# A deadline is a timing assert: on a busy machine it fails without a fault. Speed is measured in bench/.
settings.register_profile("rulegate", deadline=None)
settings.load_profile("rulegate")
