"""What releases cost: against opendp's own accounting, and laws of composition."""

import math

import opendp.prelude as dp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchlearn.privacy import Budget, Mechanism, PrivacyLoss
from sketchlearn.privacy.accounting import delta_of, epsilon_of, rho_of
from sketchlearn.privacy.mechanism import build_measurement

RHOS = (1e-6, 1e-4, 0.02, 0.5, 10.0)
DELTAS = (1e-12, 1e-6, 1e-3, 0.1)
rhos = st.floats(1e-6, 20.0)
deltas = st.floats(1e-12, 0.2)
SENSITIVITIES = {"count": 1.0, "first": 50.0, "second": 70.0, "waves": 1e7}


@pytest.mark.parametrize("rho", RHOS)
def test_the_conversion_is_opendps_to_a_millionth(rho):
    measurement = build_measurement("discrete gaussian", 1.0)
    profile = dp.c.make_zCDP_to_approxDP(measurement).map(math.sqrt(2.0 * rho))
    for delta in DELTAS:
        assert epsilon_of(rho, delta) == pytest.approx(profile.epsilon(delta), rel=1e-6)
    for epsilon in (0.01, 0.5, 3.0):
        # Of deltas that promise nothing, opendp says one.
        if (delta := profile.delta(epsilon)) < 0.9:
            assert delta_of(rho, epsilon) == pytest.approx(delta, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(("epsilon", "ratio"), [(0.1, 39.464), (1.0, 4.5309), (10.0, 0.56994)])
def test_noise_over_sensitivity_is_what_is_known(epsilon, ratio):
    assert 1.0 / math.sqrt(2.0 * rho_of(epsilon, 1e-6)) == pytest.approx(ratio, rel=2e-5)


@given(rhos, deltas)
@pytest.mark.slow
def test_epsilon_and_rho_are_inverse_to_each_other(rho, delta):
    epsilon = epsilon_of(rho, delta)
    if epsilon > 0.0:
        assert rho_of(epsilon, delta) == pytest.approx(rho, rel=1e-6)
    assert delta_of(rho, epsilon) <= delta * (1 + 1e-9)


@given(rhos, rhos, deltas)
@pytest.mark.slow
def test_more_loss_is_more_epsilon(a, b, delta):
    low, high = sorted([a, b])
    assert epsilon_of(low, delta) <= epsilon_of(high, delta) * (1 + 1e-9)


@given(rhos, st.floats(0.01, 5.0))
def test_no_delta_is_below_that_of_any_order(rho, epsilon):
    least = delta_of(rho, epsilon)
    for order in (1.01, 1.5, 2.0, 5.0, 20.0, 200.0):
        log = (order - 1) * (order * rho - epsilon) - math.log(order - 1)
        log += order * math.log1p(-1 / order)
        assert least <= math.exp(min(log, 0.0)) * (1.0 + 1e-9)


@pytest.mark.parametrize("delta", [0.0, 1e-6, 0.01])
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
def test_a_mechanism_costs_what_was_asked_for_by_opendps_own_maps(epsilon, delta):
    mechanism = Mechanism.choose(epsilon, delta, "add-remove", 1, SENSITIVITIES, 0.1)
    assert epsilon * (1 - 1e-6) <= mechanism.epsilon <= epsilon
    costs = {
        part: build_measurement(mechanism.noise, scale).map(SENSITIVITIES[part])
        for part, scale in mechanism.scales.items()
    }
    loss = mechanism.loss.rho if delta else mechanism.loss.pure_epsilon
    assert sum(costs.values()) == pytest.approx(loss, rel=1e-9)
    assert costs["waves"] == pytest.approx(0.9 * loss, rel=1e-6)
    if not delta:
        assert sum(costs.values()) <= epsilon


def test_what_cannot_change_has_no_noise():
    moved = {part: SENSITIVITIES[part] for part in ("waves",)}
    mechanism = Mechanism.choose(1.0, 1e-6, "replace", 1, moved, 0.1)
    assert mechanism.epsilon == pytest.approx(1.0, rel=1e-6)
    assert mechanism.variance("count") == 0.0


@given(rhos, rhos)
def test_losses_add_up_on_the_same_rows_and_the_greater_counts_on_others(a, b):
    one, two = PrivacyLoss(a), PrivacyLoss(b)
    assert (one + two).rho == a + b
    assert one.beside(two) == two.beside(one) == PrivacyLoss(max(a, b))


def test_pure_losses_add_their_epsilons_until_one_is_not_pure():
    once = PrivacyLoss.of_pure(0.5)
    assert (once + once).epsilon(0.0) == 1.0
    assert (once + once).delta(1.0) == 0.0
    assert (once + PrivacyLoss(0.1)).epsilon(0.0) == math.inf
    assert (once + PrivacyLoss(0.1)).epsilon(1e-6) == epsilon_of(0.225, 1e-6)


def test_many_pure_releases_cost_less_than_their_sum_where_there_is_a_delta():
    total = PrivacyLoss(0.0, 0.0)
    for _ in range(100):
        total = total + PrivacyLoss.of_pure(0.1)
    assert total.epsilon(1e-6) < 6.0 < total.epsilon(0.0)


def test_a_budget_adds_up_and_refuses_to_overspend():
    budget = Budget(1.0, 1e-6)
    half = PrivacyLoss(0.5 * rho_of(1.0, 1e-6))
    budget.spend(half)
    budget.spend(half)
    spent = budget.spent
    assert spent.epsilon(1e-6) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="of a budget of 1"):
        budget.spend(PrivacyLoss(1e-3))
    assert budget.spent == spent
    assert "spent 1" in repr(budget)


def test_a_budget_without_delta_takes_pure_losses_only():
    budget = Budget(1.0, 0.0)
    budget.spend(PrivacyLoss.of_pure(0.75))
    with pytest.raises(ValueError, match=r"epsilon = 1\.25"):
        budget.spend(PrivacyLoss.of_pure(0.5))
    with pytest.raises(ValueError, match="epsilon = inf"):
        budget.spend(PrivacyLoss(1e-9))


def test_a_budget_counts_one_kind_of_neighbours():
    budget = Budget(1.0, 1e-6)
    budget.spend(PrivacyLoss(1e-3), "replace")
    with pytest.raises(ValueError, match="do not add up"):
        budget.spend(PrivacyLoss(1e-3), "add-remove")
    with pytest.raises(ValueError, match="do not add up"):
        budget.spend(PrivacyLoss(1e-3), "replace", 2)


@pytest.mark.parametrize(
    ("epsilon", "delta", "message"),
    [
        (0.0, 0.1, "epsilon must be positive"),
        (-1.0, 0.1, "epsilon must be positive"),
        (math.inf, 0.1, "epsilon must be positive and finite"),
        (math.nan, 0.1, "epsilon must be positive"),
        (1.0, 1.0, "delta must be at least 0 and less than 1"),
        (1.0, -1e-9, "delta must be at least 0"),
        (1.0, math.nan, "delta must be at least 0"),
    ],
)
def test_what_promises_nothing_is_refused(epsilon, delta, message):
    with pytest.raises(ValueError, match=message):
        Budget(epsilon, delta)


@pytest.mark.parametrize(("epsilon", "delta"), [("1", 0.1), (True, 0.1), (1.0, None)])
def test_what_is_no_number_is_refused(epsilon, delta):
    with pytest.raises(TypeError, match="must be a number"):
        Budget(epsilon, delta)


@pytest.mark.parametrize("part", ["rho", "pure_epsilon"])
@pytest.mark.parametrize("value", [-0.01, -math.inf, math.nan])
def test_no_loss_gives_back_what_was_spent(part, value):
    with pytest.raises(ValueError, match=f"{part} must not be negative"):
        PrivacyLoss(**{"rho": 0.02, part: value})
