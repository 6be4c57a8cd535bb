"""What every test module shares."""

import os
import re
import signal

import pytest
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


# Members of families from outside, which register by being imported: once, by the contract suites.
collect_ignore = ["extensions"]
SLOW_MODULE = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path, config):
    """Leave slow modules unread where none of their tests is asked for: reading them takes long."""
    asks_for_quick = config.getoption("markexpr").startswith("not slow")
    if asks_for_quick and collection_path.suffix == ".py":
        return bool(SLOW_MODULE.search(collection_path.read_text(encoding="utf-8"))) or None
    return None


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard():
    """Restore what a shell takes from jobs in the background: they start deaf to Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
