"""Kernels that bring rows of one group together."""

import numpy as np

from sketchlearn._kernels._policy import POLICY, kernel


@kernel()
def order_by_group(groups, counts, order, policy=POLICY):
    """Fill order (n,) with the indices of rows by groups (n,) int64, in their order within each.

    counts (n_groups,) int64 is filled with how many rows each group has.
    """
    counts[:] = 0
    for i in range(len(groups)):
        counts[groups[i]] += 1
    places = np.empty(len(counts), np.int64)
    total = 0
    for g in range(len(counts)):
        places[g] = total
        total += counts[g]
    for i in range(len(groups)):
        order[places[groups[i]]] = i
        places[groups[i]] += 1


@kernel()
def gather_runs(rows, order, starts, stops, filling, gathered, policy=POLICY):
    """Copy rows (n, d), in an order, to runs of gathered (n_places, d) from starts to stops.

    Places in no run are filled with filling (d,).
    """
    at = 0
    place = 0
    for run in range(len(starts)):
        while place < starts[run]:
            gathered[place] = filling
            place += 1
        while place < stops[run]:
            for j in range(rows.shape[1]):
                gathered[place, j] = rows[order[at], j]
            at += 1
            place += 1
    while place < len(gathered):
        gathered[place] = filling
        place += 1
