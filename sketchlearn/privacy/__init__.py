"""Private sketches: noise that protects rows, once, and everything that follows from one release.

See the guide "Private sketches" for what is promised, to whom, and why.
"""

from sketchlearn.privacy.accounting import Budget, PrivacyLoss
from sketchlearn.privacy.mechanism import Mechanism
from sketchlearn.privacy.private_sketch import PrivateSketch
from sketchlearn.privacy.releasing import release, release_groups

__all__ = ["Budget", "Mechanism", "PrivacyLoss", "PrivateSketch", "release", "release_groups"]
