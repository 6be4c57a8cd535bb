"""Sketchers that saw no row: the stream, its laws, and the same bits everywhere."""

import json
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import naive
import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaincc
from scipy.stats import beta, kstest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketch, Sketcher
from sketchlearn._kernels.reflections import multiply_reflections
from sketchlearn.frequencies import AdaptedRadius
from sketchlearn.linear_maps import DenseMap
from sketchlearn.sketching import portable
from sketchlearn.sketching.portable import Stream

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "file_format.md"
# d, m, k and seed; and the fingerprints that they have on every machine.
CASES = [(1, 20, 1, 0), (2, 100, 5, 3), (7, 300, 10, 2**32 - 1), (40, 100, 12, 11)]
GOLDEN = [
    "300fa227bb2d5cdb1c35850bdb385819",
    "6059619fb7bf337cc1495735b93a1804",
    "3a5bd5290e734cac2c580607077181cc",
    "7e67dede455ae9c804d15d823c86af94",
]
# What numpy may use beyond its baseline, by the names of its versions; it leaves others alone.
FEATURES = (
    "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR "
    "X86_V3 X86_V4"
)
PROGRAM = """
import json, sys
from tests.sketching.test_from_domain import CASES, fingerprint
print(json.dumps([fingerprint(*case) for case in CASES]))
"""


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def boxed(d, m, k, seed):
    """A box of columns of all widths."""
    widths = np.arange(1, d + 1) ** 2 / 3.0
    return Sketcher.from_domain(
        -widths, widths + 0.1, n_clusters=k, n_frequencies=m, random_state=seed
    )


def fingerprint(*case):
    return boxed(*case).operator_.fingerprint


def test_the_operator_is_what_it_always_was():
    assert [fingerprint(*case) for case in CASES] == GOLDEN


@pytest.mark.parametrize(
    "variables",
    [
        {"NPY_DISABLE_CPU_FEATURES": FEATURES},
        {"NUMBA_CPU_NAME": "generic", "OPENBLAS_CORETYPE": "Prescott"},
    ],
)
@pytest.mark.slow
def test_the_operator_is_the_same_on_any_machine(variables, tmp_path):
    environment = {**os.environ, **variables, "NUMBA_CACHE_DIR": str(tmp_path)}
    path = os.pathsep.join([str(Path(naive.__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**environment, "PYTHONPATH": path},
        cwd=PAGE.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == GOLDEN


def test_the_operator_is_as_the_page_says():
    page = PAGE.read_text(encoding="utf-8").partition("## Operators without data")[2]
    names = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], names)
    for d, m, k, seed in CASES[:3]:
        sketcher = boxed(d, m, k, seed)
        lower, upper = (corner.tolist() for corner in sketcher.operator_.domain.box)
        turns = names["draw_turns"](lower, upper, k, m, seed)
        assert turns.tobytes() == sketcher.operator_.linear_map.turns.tobytes()


def test_uniform_numbers_are_uniform():
    numbers = Stream(3, 0).uniform(0, 100_000)
    assert kstest(numbers, "uniform").pvalue > 1e-3
    assert numbers.min() > 0.0
    assert numbers.max() < 1.0
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.02


def test_streams_and_seeds_differ():
    words = [Stream(seed, number).words(0, 50) for seed in range(20) for number in range(3)]
    assert len(np.unique(words)) == 3000


def test_numbers_are_found_by_their_index():
    stream = Stream(5, 1)
    np.testing.assert_array_equal(stream.words(0, 100)[30:], stream.words(30, 100))


def test_logarithms_and_powers_are_right_but_for_their_last_bits():
    x = np.append(Stream(0, 0).uniform(0, 10_000), [2.0**-52, 0.5, 1.0, 2.0, 1e300])
    np.testing.assert_allclose(portable.logarithm(x), np.log(x), rtol=1e-15, atol=4e-16)
    for y in (-30.0 * x[:10_000], 5.0 * x[:10_000], np.array([0.0, -1.0, 3.0])):
        np.testing.assert_allclose(portable.power_of_two(y), np.exp2(y), rtol=1e-15)


def test_radii_have_the_adapted_law():
    radii = portable.draw_radii(100_000, Stream(5, 0))
    survival = gammaincc(1.5, 2.0)
    assert kstest(radii, lambda r: 1.0 - gammaincc(1.5, 2.0 + r**2 / 2) / survival).pvalue > 1e-3
    others = AdaptedRadius().sample(100_000, np.random.default_rng(0))
    assert radii.mean() == pytest.approx(others.mean(), rel=0.01)


def test_normal_numbers_are_normal():
    numbers = portable.draw_normal(100_001, Stream(7, 0))
    assert len(numbers) == 100_001
    assert kstest(numbers, "norm").pvalue > 1e-3
    # Two of a pair are independent: their squared radius is exponential.
    radii = np.square(numbers[:100_000]).reshape(-1, 2).sum(axis=1)
    assert kstest(radii, "expon", (0.0, 2.0)).pvalue > 1e-3
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.02


def test_octaves_are_spread_evenly():
    octaves = portable.draw_octaves(1000, (1.0, 4.0), Stream(0, 1))
    assert kstest(octaves, "uniform", (1.0, 3.0)).statistic < 0.01
    for start in range(0, 1000, 20):
        assert kstest(octaves[start : start + 20], "uniform", (1.0, 3.0)).statistic < 0.15


@pytest.mark.parametrize(("d", "m"), [(1, 3), (2, 7), (10, 25), (60, 40), (200, 200)])
def test_directions_are_orthogonal_unit_vectors(d, m):
    directions = portable.draw_directions(d, m, Stream(1, 2))
    assert directions.shape == (d, m)
    for start in range(0, m, d):
        block = directions[:, start : start + d]
        identity = np.eye(block.shape[1])
        np.testing.assert_allclose(block.T @ block, identity, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_directions_are_uniform_on_the_sphere():
    d, n = 4, 20_000
    directions = portable.draw_directions(d, n * d, Stream(2, 2))
    law = beta((d - 1) / 2, (d - 1) / 2)
    for column in range(d):
        own = directions[:, column::d]
        for coordinate in own:
            assert kstest(coordinate, lambda t: law.cdf((t + 1) / 2)).pvalue > 1e-4
        np.testing.assert_allclose(own @ own.T / n, np.eye(d) / d, rtol=0, atol=0.01)
        np.testing.assert_allclose(own.mean(axis=1), 0.0, rtol=0, atol=0.02)


@pytest.mark.parametrize(("d", "w"), [(1, 1), (5, 5), (7, 3), (150, 120)])
def test_products_of_reflections_are_their_slow_twins(d, w, rng):
    normal, out = rng.normal(size=(w, d)), np.zeros((d, w))
    multiply_reflections(normal, out)
    np.testing.assert_allclose(out, naive.multiply_reflections(normal, d), rtol=0, atol=1e-12)
    # What is before a vector's own entries is not read.
    again = np.zeros((d, w))
    multiply_reflections(np.where(np.arange(d) >= np.arange(w)[:, None], normal, np.nan), again)
    np.testing.assert_array_equal(again, out)


def test_the_domain_is_the_declared_box():
    domain = Sketcher.from_domain(
        [0, 0, -1], [1, 2, 2], n_clusters=8, random_state=0
    ).operator_.domain
    np.testing.assert_array_equal(domain.center, [0.5, 1.0, 0.5])
    np.testing.assert_array_equal(domain.box, [[0, 0, -1], [1, 2, 2]])
    np.testing.assert_allclose(domain.covariance.matrix(), np.diag([1, 4, 9]) / 12)
    cells = np.sqrt(14 / 36) / 2
    assert domain.scale == pytest.approx(cells * 2.0 ** -portable.OCTAVES[0])
    assert domain.finest_scale == pytest.approx(cells * 2.0 ** -portable.OCTAVES[1])
    assert domain.scales[0] == domain.scale
    assert domain.scales[-1] == pytest.approx(domain.finest_scale)


def test_columns_that_differ_much_are_told_apart():
    operator = Sketcher.from_domain([0, 0, 0, 0], [1, 3.9, 4, 5e4], random_state=0).operator_
    np.testing.assert_array_equal(operator.units, [1, 1, 4, 2**14])
    assert Sketcher.from_domain([0, 0], [100, 200_000], random_state=0).operator_.units[1] == 1024


def test_rows_anywhere_are_sketched_and_added(rng):
    here, there = (Sketcher.from_domain([0, 0], [1, 1], random_state=4) for _ in range(2))
    rows = rng.normal(size=(500, 2)) * 3
    assert here.sketch(rows[:200]) + there.sketch(rows[200:]) == here.sketch(rows)


def test_such_sketches_go_through_files_and_pickles(rng):
    sketcher = Sketcher.from_domain([0, 0], [1, 1], feature_names=["a", "b"], random_state=4)
    assert pickle.loads(pickle.dumps(sketcher.operator_)).fingerprint == (
        sketcher.operator_.fingerprint
    )
    sketch = sketcher.sketch(pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"]))
    again = Sketch.from_bytes(sketch.to_bytes())
    assert again == sketch
    assert again.feature_names == ("a", "b")
    assert again.operator.domain.finest_scale == sketcher.operator_.domain.finest_scale
    assert Sketcher.from_sketch(again).operator_.fingerprint == sketcher.operator_.fingerprint


def test_a_clone_has_the_parameters_and_is_to_be_fitted(rng):
    sketcher = Sketcher.from_domain([0, 0], [1, 1], n_clusters=3, random_state=4)
    assert repr(sketcher) == (
        "Sketcher(n_clusters=3, operator='dense', random_state=4, scale='mixed')"
    )
    fitted = clone(sketcher).fit(rng.normal(size=(500, 2)))
    assert len(fitted.operator_.domain.scales) == 4
    assert not hasattr(clone(sketcher), "operator_")
    assert sketcher.pilot_ is None


def test_a_generator_gives_other_operators_an_integer_of_numpy_the_same():
    drawn = [
        Sketcher.from_domain([0], [1], random_state=seed).operator_.fingerprint
        for seed in (7, np.int64(7), np.random.default_rng(7))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_wide_rows_have_full_moments():
    """Nothing else tells along which directions to decode them."""
    for d, kind in ((64, "full"), (65, "full"), (200, "full"), (2049, "diagonal")):
        sketcher = Sketcher.from_domain([0] * d, [1] * d, n_clusters=2, n_frequencies=10)
        assert sketcher.moment_kind == kind


def test_frequencies_are_for_a_range_of_scales(rng):
    """A cluster of any width within the range leaves a trace that others do not."""
    rows = rng.normal(size=(5000, 4))
    auto, mixed = (
        Sketcher(400, n_clusters=4, scale=scale, random_state=0).fit(rows).operator_
        for scale in ("auto", "mixed")
    )
    lengths = [np.sqrt(one.linear_map.squared_norms) for one in (auto, mixed)]
    assert np.std(np.log(lengths[1])) > 1.2 * np.std(np.log(lengths[0]))
    spread = np.sqrt(np.trace(np.cov(rows.T, ddof=0)) / 4) / 4 ** (1 / 4)
    assert mixed.domain.scales == pytest.approx(spread * np.array([2, 1, 1 / 2, 1 / 4]), rel=0.05)
    assert isinstance(mixed.linear_map, DenseMap)


@pytest.mark.parametrize(
    ("lower", "upper", "error", "words"),
    [
        ([0, 1], [1, 1], ValueError, "got 1.0 and 1.0 for feature 1"),
        ([0, 2], [1, 1], ValueError, "got 2.0 and 1.0 for feature 1"),
        ([0], [1, 2], ValueError, "got 1 and 2"),
        ([0, np.nan], [1, 2], ValueError, "lower must be finite .* got nan for feature 1"),
        ([0, 0], [np.inf, 2], ValueError, "upper must be finite .* got inf for feature 0"),
        ([0], [1e200], ValueError, "upper must be finite and within"),
        ([[0.0]], [[1.0]], ValueError, r"got shape \(1, 1\)"),
        (0.0, 1.0, ValueError, r"got shape \(\)"),
        ([], [], ValueError, r"got shape \(0,\)"),
        (["a"], [1], TypeError, r"lower must be numbers, got \['a'\]"),
        (None, [1], TypeError, "lower must be numbers, got None"),
        ([0], np.array(["2020"], "M8[D]"), TypeError, "upper must be numbers"),
        ([0], np.ma.array([1.0], mask=[1]), TypeError, "upper must be numbers"),
        ([0], [1e-140], ValueError, "rescale the data"),
        ([0], [5e-324], ValueError, "rescale the data"),
    ],
)
def test_boxes_that_are_none_are_refused(lower, upper, error, words):
    with pytest.raises(error, match=words):
        Sketcher.from_domain(lower, upper)


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        (["a"], ValueError, "must be 2, one for each feature, got 1"),
        (["a", "a"], ValueError, r"got \['a'\] repeatedly"),
        ("ab", TypeError, "must be strings"),
        ([1, 2], TypeError, "must be strings"),
        (5, TypeError, "must be strings, one for each feature, got 5"),
    ],
)
def test_names_that_are_none_are_refused(names, error, words):
    with pytest.raises(error, match=words):
        Sketcher.from_domain([0, 0], [1, 1], feature_names=names)


def test_names_may_come_one_by_one():
    names = Sketcher.from_domain([0, 0], [1, 1], feature_names=iter("ab")).feature_names
    assert names == ("a", "b")


def test_other_parameters_are_checked():
    with pytest.raises(ValueError, match="n_clusters must be at least 1"):
        Sketcher.from_domain([0], [1], n_clusters=0)
    with pytest.raises(ValueError, match="random_state must be between"):
        Sketcher.from_domain([0], [1], random_state=-1)
    with pytest.raises(TypeError, match="n_frequencies"):
        Sketcher.from_domain([0], [1], n_frequencies="many")


def sketch_in_box(rows, half, how, **choices):
    d = rows.shape[1]
    names = [f"x{j}" for j in range(d)]
    sketcher = Sketcher.from_domain(
        [-half] * d, [half] * d, n_clusters=6, feature_names=names, random_state=0, **choices
    )
    rows = pd.DataFrame(rows, columns=names)
    if how == "table":
        return sketcher.sketch_groups(rows, {"key": np.arange(len(rows)) % 2})
    if how == "threads":
        return sketcher.set_params(n_jobs=2).sketch(rows)
    return sketcher.sketch(rows)


@pytest.mark.parametrize("how", ["sketch", "table", "threads"])
def test_a_box_that_cuts_many_rows_is_told_with_the_columns(how):
    rows = make_blobs(9000, n_features=5, centers=6, random_state=3)[0].astype(np.float32)
    share = max(np.mean(np.abs(rows) > 5.0, axis=0))
    with pytest.warns(UserWarning, match="Declare a wider box and sketch the rows") as caught:
        sketch_in_box(rows, 5.0, how, clip=True)
    assert f"cut {share:.0%} of the numbers of columns 'x0'" in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sketch_in_box(rows, 12.0, how, clip=True)
        sketch_in_box(rows, 5.0, how)
    with pytest.warns(UserWarning, match="box and radius"):
        sketch_in_box(rows, 8.0, how, clip=True, radius=0.5)


def test_numbers_at_the_sides_of_a_box_are_not_cut():
    flags = np.random.default_rng(0).integers(0, 2, size=(500, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sketcher.from_domain([0, 0], [1, 1], clip=True, random_state=0).sketch(flags)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("half", [3.0, 2.0, 1.0])
@pytest.mark.parametrize("model", [CompressiveKMeans, CompressiveGaussianMixture])
def test_rows_far_outside_a_box_that_does_not_clip_put_the_box_in_doubt(model, half):
    rows = make_blobs(9000, n_features=5, centers=6, random_state=3)[0]
    sketch = sketch_in_box(rows, half, "sketch")
    with pytest.warns(ConvergenceWarning, match="Declare a box that holds them"):
        fitted = model(6, random_state=0).fit_sketch(sketch)
    assert fitted.quality_.verdict != "good"


@pytest.mark.parametrize("half", [12.0, 7.0])
def test_a_box_that_some_rows_leave_is_in_no_doubt_where_it_does_not_clip(half):
    rows = make_blobs(9000, n_features=5, centers=6, random_state=3)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CompressiveKMeans(6, random_state=0).fit_sketch(sketch_in_box(rows, half, "sketch"))
