"""
Supports with and without a best product
========================================

A matrix is to be written as a product of two factors whose zeros are given. For some zeros every
matrix has a nearest product; for others some matrix has none, and the factors grow without bound.
"""

import numpy as np

from sketchlearn.factorization import square_dyadic
from sketchlearn.plotting import SupportsDisplay

first, second = (p.dense(np.ones((p.a, p.d, p.b, p.c))) for p in square_dyadic(8)[:2])
SupportsDisplay.from_supports(first, second)

# %%
# Triangular factors, as of an LU decomposition:
lower = np.tril(np.ones((5, 5)))
SupportsDisplay.from_supports(lower, lower.T)
