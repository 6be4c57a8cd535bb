"""The joint adjustment in compiled loops, where these are faster than products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sketchlearn._kernels import descent as kernels
from sketchlearn._progress import tell_cost
from sketchlearn.optim.lbfgs import SETTINGS, Minimum

if TYPE_CHECKING:
    from sketchlearn.atoms.family import FrequencyBlocks
    from sketchlearn.decoders.refinement import JointObjective

# Numbers of atoms' waves after which whoever listens is told how far it is, and may interrupt: some
# milliseconds.
WAVES_AT_ONCE = 2**21
# Numbers of the kernel's variable `counts`.
N_ITER, N_PAIRS, NEWEST, N_COSTS, MOST_TRIALS, HAS_ENDED = range(6)


def descend(
    objective: JointObjective, blocks: FrequencyBlocks, max_iter: int, tolerance: float
) -> Minimum:
    """Minimise an objective from its start, as `sketchlearn.optim.lbfgs.minimise` does.

    The same iterations, up to rounding; what is compiled is all of them, the objective included.

    Parameters
    ----------
    objective : JointObjective
        Of a family that has ``blocks``.
    blocks : FrequencyBlocks
        The family's.
    max_iter, tolerance : int and float
        As of `minimise`.
    """
    problem, settings = objective.problem, SETTINGS
    x = np.clip(objective.start, objective.lower, objective.upper)
    gradient, past = np.empty_like(x), np.zeros(settings.window + 1)
    steps, changes = np.empty((2, settings.memory, x.size))
    counts = np.array([0, 0, -1, 0, settings.most_trials, 0])
    numbers = np.array(
        [
            tolerance,
            1.0,
            settings.least_curvature,
            settings.sufficient_decrease,
            settings.shortest_share,
            settings.longest_share,
        ]
    )
    work = np.empty((2 * objective.k + 3, blocks.rows.shape[2]), np.float32)
    state = x, gradient, steps, changes, np.empty(settings.memory), past, counts, work
    task = (
        blocks.rows,
        blocks.common,
        problem.target_in_blocks,
        np.array(objective.parameters, dtype=np.float64, order="C"),
        ("fixed", "shared", "free").index(objective.shapes),
        float(objective.prior),
        objective.middle,
        # A copy, as kernels are compiled once more for what may not be written.
        np.array(problem.family.operator.center, dtype=np.float64),
        objective.scales,
        objective.lower,
        objective.upper,
    )
    n_next = 1
    while True:
        n_left = max_iter - int(counts[N_ITER])
        kernels.descend(*task, min(n_left, n_next), numbers, *state)
        cost = float(past[(counts[N_COSTS] - 1) % len(past)])
        tell_cost(cost)
        n_next = max(1, WAVES_AT_ONCE // (objective.k * len(problem.target)))
        if counts[HAS_ENDED] or counts[N_ITER] == max_iter:
            break
    return Minimum(x, cost, int(counts[N_ITER]), bool(counts[HAS_ENDED]))
