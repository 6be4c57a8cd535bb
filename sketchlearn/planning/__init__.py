"""Which sketch to take, what it will cost and how good it is likely to be, before it is taken."""

from sketchlearn.planning.choosing import plan
from sketchlearn.planning.prediction import Plan

__all__ = ["Plan", "plan"]
