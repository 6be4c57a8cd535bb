"""What every test module shares."""

import os

from hypothesis import HealthCheck, settings

# The first example of a property may compile a kernel, so its time says nothing.
settings.register_profile(
    "sketchlearn", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# The gates draw the same examples in every run; a desk draws new ones.
settings.register_profile(
    "sketchlearn-ci", settings.get_profile("sketchlearn"), derandomize=True, database=None
)
settings.load_profile("sketchlearn-ci" if os.environ.get("CI") else "sketchlearn")
