"""Expected signs of Gaussian phases: what a naive twin sums up from waves."""

import naive
import numpy as np
import pytest

from sketchlearn._kernels.square_waves import expect_signs


@pytest.mark.parametrize("is_shared", [False, True])
def test_expected_signs_are_sums_of_waves(is_shared):
    rng = np.random.default_rng(0)
    # On both sides of where few waves take over from blurred edges, and at it.
    widths = np.array([0.005, 0.05, 0.3, 0.599, 0.601, 1.0, 4.0])[:, None]
    turns, dither = rng.uniform(-3, 3, size=(7, 40)), rng.uniform(size=40)
    envelopes = np.broadcast_to(-0.5 * widths**2, (7, 40))
    for rows in [slice(i, i + 1) for i in range(7)] if is_shared else [slice(None)]:
        ours = np.empty((3, *turns[rows].shape), dtype=complex)
        expect_signs(turns[rows], envelopes[rows].copy(), dither, ours)
        expected = naive.expect_signs(turns[rows], envelopes[rows], dither)
        scale = np.abs(expected).max(axis=2, keepdims=True)
        np.testing.assert_allclose(ours / scale, expected / scale, atol=1e-5)


def test_signs_of_phases_that_do_not_vary_are_signs():
    turns, dither = np.random.default_rng(1).uniform(-3, 3, size=(3, 500)), np.zeros(500)
    ours = np.empty((3, 3, 500), dtype=complex)
    expect_signs(turns, np.zeros((1, 500)), dither, ours)
    signs = np.sign(np.cos(2 * np.pi * turns)) + 1j * np.sign(np.sin(2 * np.pi * turns))
    # Edges are a thousandth of a radian wide.
    assert np.mean(np.abs(4 / np.pi * ours[0] - signs) > 1e-6) < 0.02
