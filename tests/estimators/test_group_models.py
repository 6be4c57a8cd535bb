import numpy as np
import pytest

from sketchlearn import CompressiveKMeans, Sketcher

RNG = np.random.default_rng(0)
CENTERS = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
LABELS = RNG.integers(0, 3, size=1_500)
SHIFTS = np.repeat([0.0, 3.0, -3.0], 500)
ROWS = CENTERS[LABELS] + SHIFTS[:, None] + RNG.normal(size=(1_500, 2))
CITIES = np.repeat(["Oslo", "Rome", "Ulm"], 500)
SKETCHER = Sketcher(n_clusters=3, random_state=0).fit(ROWS)
TABLE = SKETCHER.sketch_groups(ROWS, {"city": CITIES})
MODEL = CompressiveKMeans(3, random_state=0)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["own", "total"])
def test_each_group_has_its_own_clusters(start):
    heard = []
    models = MODEL.fit_table(TABLE, start=start, progress=lambda *at: heard.append(at))
    assert list(models) == list(TABLE)
    assert heard == [(1, 3), (2, 3), (3, 3)]
    for key, shift in zip(TABLE, (0.0, 3.0, -3.0), strict=True):
        found = models[key].cluster_centers_
        nearest = np.abs(found[:, None] - (CENTERS + shift)).sum(axis=2).min(axis=0)
        assert nearest.max() < 0.5
        assert models[key].get_params() == MODEL.get_params()
    assert not hasattr(MODEL, "cluster_centers_")


@pytest.mark.slow
def test_a_groups_model_is_that_of_its_sketch_whatever_the_processes():
    models = MODEL.fit_table(TABLE, n_jobs=2)
    for key in TABLE:
        alone = CompressiveKMeans(3, random_state=0).fit_sketch(TABLE[key])
        np.testing.assert_array_equal(models[key].cluster_centers_, alone.cluster_centers_)


def test_groups_of_too_few_rows_are_named():
    few = TABLE + SKETCHER.sketch_groups(ROWS[:2], {"city": ["Nice", "Pau"]})
    with pytest.raises(
        ValueError, match=r"2 groups have fewer than 3 rows: \(Nice\) with 1, \(Pau"
    ):
        MODEL.fit_table(few)
    with pytest.warns(UserWarning, match=r"5 groups have fewer than 501 rows.*no model"):
        assert MODEL.fit_table(few, few="skip", min_samples=501) == {}
    with pytest.raises(TypeError, match="SketchTable"):
        MODEL.fit_table(TABLE.total())
    with pytest.raises(ValueError, match="'own' or 'total'"):
        MODEL.fit_table(TABLE, start="all")


def test_parameters_are_checked_before_anything_is_decoded():
    for wrong, error in (("3", TypeError), (0, ValueError)):
        with pytest.raises(error, match="n_clusters must be"):
            CompressiveKMeans(wrong).fit_table(TABLE)


def test_wide_groups_cannot_start_from_the_clusters_of_all():
    rows = RNG.normal(size=(60, 120)) + 9.0 * np.arange(60)[:, None] % 2
    sketcher = Sketcher(100, n_clusters=2, random_state=0).fit(rows)
    table = sketcher.sketch_groups(rows, {"half": np.arange(60) // 30})
    with pytest.raises(ValueError, match="up to 100 columns, got 120: use start='own'"):
        CompressiveKMeans(2, random_state=0).fit_table(table, start="total")
