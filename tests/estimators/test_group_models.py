import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn.estimators.group_models import split_table

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
@pytest.mark.parametrize("start", ["own", "total"])
@pytest.mark.parametrize("kind", ["diag", "spherical", "full"])
def test_each_group_has_its_own_mixture(kind, start):
    model = CompressiveGaussianMixture(3, covariance_type=kind, random_state=0)
    models = model.fit_table(TABLE, start=start)
    for key, shift in zip(TABLE, (0.0, 3.0, -3.0), strict=True):
        found = models[key]
        assert type(found) is CompressiveGaussianMixture
        assert found.get_params() == model.get_params()
        rows = ROWS[key[0] == CITIES]
        best = GaussianMixture(3, covariance_type=kind, means_init=CENTERS + shift).fit(rows)
        assert found.score(rows) > best.score(rows) - 0.05


@pytest.mark.slow
def test_distances_are_those_of_the_data_where_decodes_start_from_the_total():
    """In units of the box the second column is the wider one, in those of the data the first."""
    rng = np.random.default_rng(101)
    n = 1_000
    rows = np.c_[rng.uniform(-60, 60, n), rng.choice([-1.0, 1.0], n) + rng.normal(0, 0.05, n)]
    box = ([-500.0, -2.0], [500.0, 2.0])
    sketcher = Sketcher.from_domain(*box, n_clusters=2, n_frequencies=200, random_state=0)
    table = sketcher.sketch_groups(rows, {"all": np.zeros(n, int)})
    for found in CompressiveKMeans(2, random_state=0).fit_table(table, start="total").values():
        np.testing.assert_allclose(np.sort(found.cluster_centers_[:, 0]), [-30.0, 30.0], atol=3.0)
        np.testing.assert_allclose(found.cluster_centers_[:, 1], 0.0, atol=0.2)


def test_groups_of_wide_rows_have_no_common_start():
    rows = RNG.normal(size=(40, 120))
    table = Sketcher(30, random_state=0).fit(rows).sketch_groups(rows, {"half": np.arange(40) % 2})
    with pytest.raises(ValueError, match=r"not for 120 columns.*leave start at 'own'"):
        CompressiveKMeans(2, random_state=0).fit_table(table, start="total")


@pytest.mark.slow
def test_a_groups_model_is_that_of_its_sketch_whatever_the_processes():
    models = MODEL.fit_table(TABLE, n_jobs=2)
    for key in TABLE:
        alone = CompressiveKMeans(3, random_state=0).fit_sketch(TABLE[key])
        np.testing.assert_array_equal(models[key].cluster_centers_, alone.cluster_centers_)


def test_processes_are_sent_several_groups_at_a_time():
    rows = RNG.normal(size=(1200, 2))
    table = SKETCHER.sketch_groups(rows, {"shop": np.repeat(np.arange(400), 3)})
    keys = [key for key in table if key != (7,)]
    parts = list(split_table(table, keys))
    assert [key for part in parts for key in part] == keys
    assert max(map(len, parts)) == 8
    assert all(part[key] == table[key] for part in parts for key in part)
    assert [len(part) for part in split_table(table, keys[:20])] == [1] * 20
    assert list(split_table(table, [])) == []


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


def test_groups_of_few_distinct_rows_start_from_their_own_sketch():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5_000, 5))
    few = rng.normal(size=(4, 5))[np.arange(500) % 4]
    keys = np.repeat([0, 1], [5_000, 500])
    sketcher = Sketcher(n_clusters=4, random_state=0).fit(rows)
    table = sketcher.sketch_groups(np.vstack([rows, few]), {"group": keys})
    models = CompressiveKMeans(4, random_state=0).fit_table(table, start="total")
    np.testing.assert_allclose(
        np.sort(models[1,].cluster_centers_, axis=0), np.sort(few[:4], axis=0), atol=0.05
    )


def list_warnings(model, table, start):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        models = model.fit_table(table, start=start)
    return models, [str(each.message) for each in caught]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_group_that_lies_elsewhere_is_told_to_start_from_its_own_sketch(seed):
    rng = np.random.default_rng(seed)
    centers, labels = rng.uniform(-10, 10, size=(2, 6, 4)), rng.integers(6, size=5_000)
    # Of so few rows the total shows one cluster, and six atoms there do not find their way.
    centers[1] += 30.0
    keys = np.repeat(np.arange(5), [1_150] * 4 + [400])
    rows = centers[(keys == 4).astype(int), labels] + rng.normal(size=(5_000, 4))
    table = Sketcher(n_clusters=6, random_state=0).fit(rows).sketch_groups(rows, {"shop": keys})
    models, said = list_warnings(CompressiveKMeans(6, random_state=0), table, "total")
    assert len(said) == 1
    assert said[0].startswith("group (4): from what was found in the table's total ")
    assert said[0].endswith("Fit it with start='own'.")
    told = models[4,].report()
    assert (told.verdict, told.remedy) == ("wrong", "Fit it with start='own'.")
    assert all(models[group,].report().verdict == "good" for group in range(4))
    models, said = list_warnings(CompressiveKMeans(6, random_state=0), table, "own")
    assert not said
    assert models[4,].report().verdict == "good"


def test_groups_that_start_from_the_total_know_as_much_of_their_doubts():
    """What noise makes of centroids is asked of them, too, and changes none."""
    rng = np.random.default_rng(3)
    rows = rng.uniform(size=(800, 2))
    table = Sketcher(12, random_state=0).fit(rows).sketch_groups(rows, {"city": np.arange(800) % 2})
    model = CompressiveKMeans(8, random_state=0)
    for start in ("own", "total"):
        models, said = list_warnings(model, table, start)
        assert all(one.quality_.instability is not None for one in models.values())
        assert {message.split(":")[0] for message in said} >= {"group (0)", "group (1)"}


@pytest.mark.slow
def test_of_many_groups_in_doubt_five_are_told_apart_and_the_others_named():
    rng = np.random.default_rng(3)
    rows = rng.uniform(size=(7 * 200, 2))
    keys = np.repeat([f"city {i}" for i in range(7)], 200)
    sketcher = Sketcher(12, random_state=0).fit(rows)
    table = sketcher.sketch_groups(rows, {"city": keys})
    with pytest.warns(ConvergenceWarning) as caught:
        models = CompressiveKMeans(8, random_state=0).fit_table(table)
    assert all(model.doubts_ for model in models.values())
    messages = [str(each.message) for each in caught]
    assert {message[:14] for message in messages[:-1]} == {f"group (city {i})" for i in range(5)}
    assert messages[-1].startswith("2 more of 7 groups are in doubt: (city 5), (city 6).")


@pytest.mark.parametrize("model", [MODEL, CompressiveGaussianMixture(3, random_state=0)])
def test_a_group_of_no_more_rows_than_clusters_is_told_so(model):
    keys = np.repeat(["Oslo", "Rome"], [3, 1_497])
    table = SKETCHER.sketch_groups(ROWS, {"city": keys})
    models, said = list_warnings(model, table, "own")
    about = [message for message in said if message.startswith("group (Oslo)")]
    assert "3 rows are too few for 3 clusters" in about[0]
    assert "ask for fewer" in about[0]
    few = models["Oslo",]
    assert few.quality_.verdict == few.report().verdict != "good"
    assert any(doubt.verdict == few.quality_.verdict for doubt in few.doubts_)
    assert not any("too few" in message for message in said if "(Rome)" in message)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [4, 5, 8])
def test_a_group_of_few_rows_is_not_called_wrong_in_silence(seed, n):
    rng = np.random.default_rng(seed)
    rows = np.repeat(8.0 * rng.normal(size=(3, 2)), [1, n - 2, 1], axis=0)
    rows[1:-1] += 1e-4 * rng.normal(size=(n - 2, 2))
    sketch = SKETCHER.sketch(rows)
    model, said = CompressiveKMeans(3, random_state=seed), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit_sketch(sketch)
    said = [str(each.message) for each in caught]
    assert said or model.quality_.verdict != "wrong"
    for percent in re.findall(r"(\d+)%", " ".join([*said, str(model.report())])):
        assert float(percent) < 1000


@pytest.mark.slow
def test_a_group_in_doubt_that_started_from_the_total_is_told_to_start_from_its_own():
    rng = np.random.default_rng(2)
    shop = rng.integers(6, size=60_000)
    centers = rng.uniform(-15, 15, (5, 4))
    rows = centers[rng.integers(5, size=60_000)] + rng.normal(size=(60_000, 4))
    rows[shop == 5] += 60.0
    sketcher = Sketcher(n_clusters=5, random_state=0).fit(rows[:5000])
    table = sketcher.sketch_groups(rows, {"shop": shop})
    models, said = list_warnings(CompressiveKMeans(5, random_state=0), table, "total")
    assert said
    assert all(". Fit it with start='own', or call fit with the rows" in one for one in said)
    doubted = [model for model in models.values() if model.doubts_]
    assert len(doubted) == len(said)
    assert all(model.report().remedy == "Fit it with start='own'." for model in doubted)
    assert not list_warnings(CompressiveKMeans(5, random_state=0), table, "own")[1]


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["a group", "mixed"])
def test_the_scale_of_one_group_finds_what_that_of_all_groups_loses(choice):
    rng, n_groups, k, d = np.random.default_rng(1), 20, 8, 4
    centers = 6.0 * rng.normal(size=(n_groups, k, d))
    keys = np.repeat(np.arange(n_groups), 1_000)
    rows = np.concatenate([own[rng.integers(k, size=1_000)] for own in centers])
    rows = rows + rng.normal(size=rows.shape)

    def find_worst(pilot, scale):
        sketcher = Sketcher(n_clusters=k, features="signs", scale=scale, random_state=0).fit(pilot)
        table = sketcher.sketch_groups(rows, {"shop": keys})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            models = CompressiveKMeans(k, random_state=0).fit_table(table)
        found = np.array([models[g,].score(rows[keys == g]) for g in range(n_groups)])
        best = np.array(
            [
                -np.square(rows[keys == g] - centers[g][:, None]).sum(axis=2).min(axis=0).sum()
                for g in range(n_groups)
            ]
        )
        return (found / best).max()

    if choice == "mixed":
        assert find_worst(rows, "mixed") < 1.05
        return
    assert find_worst(rows, "auto") > 1.05
    assert find_worst(rows[keys == 0], "auto") < 1.05
