"""What models say of themselves: a verdict, why, and what to change."""

import json
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from altered import altered
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    Sketcher,
    compare,
    count_clusters,
    load_model,
)
from sketchlearn.estimators.doubts import name_excess
from sketchlearn.estimators.persistence import StoredModel
from sketchlearn.exceptions import ModelFormatError
from sketchlearn.factorization import check_supports, hadamard_butterfly
from sketchlearn.privacy import release
from sketchlearn.sketches import Region

pytestmark = pytest.mark.slow


def blobs(n, k=3, d=2):
    rng = np.random.default_rng(0)
    places = 15.0 * rng.permutation(np.stack(np.meshgrid(range(3), range(3)), -1).reshape(-1, 2))
    spread = np.zeros((9, d))
    spread[:, :2] = places
    return spread[rng.integers(k, size=n)] + rng.normal(size=(n, d))


@pytest.fixture(scope="module")
def sketch():
    X = blobs(20_000, k=5)
    return Sketcher(300, n_clusters=5, random_state=0).fit(X).sketch(X)


class Balanced(HTMLParser):
    """Checks that every tag is closed in turn, and keeps the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_what_explains_the_sketch_is_good(sketch):
    report = CompressiveKMeans(5, random_state=0).fit_sketch(sketch).report()
    assert report.verdict == "good"
    assert report.remedy == "Nothing."
    assert any("up to its noise" in reason for reason in report.reasons)


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3])
def test_what_leaves_much_is_not_good(sketch, k):
    with warnings.catch_warnings():
        # Whether it warns, and of what, is the decode's matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = CompressiveKMeans(k, random_state=0).fit_sketch(sketch)
    report = model.report()
    assert report.verdict != "good"
    assert report.remedy != "Nothing."
    assert f"{model.mixture_.misfit:.2%}" in str(report)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_flat_clusters_are_good_and_missing_ones_a_doubt(seed):
    rng = np.random.default_rng(seed)
    centers = np.array([[20.0, 5.0], [60.0, 1.0], [90.0, 3.0]])
    labels, widths = rng.integers(3, size=40_000), np.array([[2.0, 0.3], [0.3, 2.0], [2.0, 0.3]])
    # Each along its own column: of the same flatness they would be decoded as such.
    flat = centers[labels] + rng.normal(size=(40_000, 2)) * widths[labels]
    for rows, is_flat in ((flat, True), (blobs(40_000, k=6), False)):
        sketch = Sketcher(n_clusters=3, random_state=seed).fit(rows).sketch(rows)
        with warnings.catch_warnings():
            # Whether clusters are missing from three of six is what both may warn of.
            warnings.simplefilter("error" if is_flat else "ignore", ConvergenceWarning)
            report = CompressiveKMeans(3, random_state=seed).fit_sketch(sketch).report()
            mixture = CompressiveGaussianMixture(3, random_state=seed).fit_sketch(sketch).report()
        assert (report.verdict == "good") == is_flat
        if not is_flat:
            assert "a missing cluster, or clusters that are not round" in report.reasons[0]
            assert report.remedy.startswith("Call fit with the rows, or try")
            assert "another number of clusters" in report.remedy
        assert (mixture.verdict == "good") == is_flat


@pytest.mark.parametrize(("d", "seed", "least"), [(2, 2, 29), (2, 5, 29), (3, 3, 49), (3, 7, 49)])
def test_remedies_of_long_clusters_from_few_frequencies_work(d, seed, least):
    rng = np.random.default_rng(seed)
    k, n = 5, 10_000
    centers, labels = rng.uniform(-12.0, 12.0, size=(k, d)), rng.integers(k, size=n)
    X = np.empty((n, d))
    for i in range(k):
        axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
        widths = np.append(0.3 * rng.uniform(5.0, 20.0), np.full(d - 1, 0.3))
        own = labels == i
        X[own] = centers[i] + (rng.normal(size=(own.sum(), d)) * widths) @ axes.T
    few = Sketcher(2 * k * d, n_clusters=k, random_state=seed)
    with warnings.catch_warnings():
        # Whether it is warned of differs.
        warnings.simplefilter("ignore", ConvergenceWarning)
        first = CompressiveKMeans(k, random_state=seed).fit_sketch(few.fit(X).sketch(X))
    assert first.report().verdict != "good"
    remedy = first.report().remedy
    wanted = int(re.search(r"n_frequencies(?: of at least |=)(\d+)", remedy)[1])
    assert wanted >= least
    if "of at least" in remedy:
        assert "Or call fit with the rows, or try" in remedy
    enough = Sketcher(wanted, n_clusters=k, random_state=seed)
    second = CompressiveKMeans(k, random_state=seed).fit_sketch(enough.fit(X).sketch(X))
    third = CompressiveKMeans(k, n_frequencies=2 * k * d, random_state=seed).fit(X)
    assert second.report().verdict == third.report().verdict == "good"
    assert min(second.score(X), third.score(X)) > first.score(X)


def test_fewer_distinct_rows_than_clusters_are_a_doubt():
    rows = np.ones((1000, 3))
    model = CompressiveKMeans(2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="1 distinct row of positive weight for 2"):
        report = model.fit(rows).report()
    assert report.verdict == "doubtful"
    assert report.remedy == "Ask for no more than there are distinct rows."
    with pytest.warns(ConvergenceWarning, match="1 distinct row of"):
        report = clone(model).partial_fit(rows[:20]).partial_fit().report()
    assert report.verdict == "doubtful"
    sound = model.fit(blobs(2000, k=2))
    assert sound.doubts_ == ()


def test_a_doubt_that_was_warned_of_decides_and_is_told(sketch):
    X = blobs(20_000, k=5)
    few = Sketcher(7, n_clusters=5, random_state=0).fit(X).sketch(X)
    with pytest.warns(ConvergenceWarning) as warned:
        model = CompressiveKMeans(5, random_state=0).fit_sketch(few)
    report = model.report()
    verdicts = [doubt.verdict for doubt in model.doubts_]
    assert report.verdict == ("wrong" if "wrong" in verdicts else "doubtful")
    gravest = model.doubts_[verdicts.index(report.verdict)]
    assert gravest.remedy.rstrip(".").lower() == report.remedy.rstrip(".").lower()
    # One thing to change; warnings name others too.
    assert " or " not in report.remedy
    # They point here, however many frames are in between.
    assert {one.filename for one in warned} == {__file__}
    said = {str(one.message) for one in warned}
    assert said == {doubt.message for doubt in model.doubts_}


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_called_no_better_than_what_was_warned_of(seed):
    rng = np.random.default_rng(seed)
    rows = 8.0 * rng.normal(size=(5, 3))[rng.integers(5, size=20_000)]
    rows += rng.normal(size=rows.shape)
    rows[:20] += 300.0 * rng.normal(size=3)
    sketcher = Sketcher(n_clusters=5, keep_pilot=False, random_state=seed).fit(rows)
    few = Sketcher(12, n_clusters=5, keep_pilot=False, random_state=seed).fit(rows)
    for sketch in (sketcher.sketch(rows), few.sketch(rows)):
        with pytest.warns(ConvergenceWarning):
            model = CompressiveKMeans(5, random_state=seed).fit_sketch(sketch)
        warned = {doubt.verdict for doubt in model.doubts_}
        assert model.quality_.verdict == ("wrong" if "wrong" in warned else "doubtful")
        # What the figures say without is still known, and told.
        if model.quality_.figures_verdict != model.quality_.verdict:
            reasons = " ".join(model.report().reasons)
            assert "because of the doubt that was warned of" in reasons


@pytest.mark.slow
def test_a_doubt_that_more_frequencies_settle_names_how_many():
    def fit(n_frequencies):
        sketcher = Sketcher(n_frequencies, n_clusters=6, keep_pilot=False, random_state=seed)
        return CompressiveKMeans(6, random_state=seed).fit_sketch(sketcher.fit(rows).sketch(rows))

    settled = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        rng.normal(size=(6, 5))
        rng.integers(6, size=10_000)
        rows = rng.uniform(size=(10_000, 5))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            fit(44)
            said = [str(each.message) for each in caught]
            if not said or "hardly determines 6 clusters" not in said[0]:
                continue
            named = re.search(r"Sketch with n_frequencies=(\d+), now 44", said[0])
            model = fit(int(named[1]))
        settled.append((model.quality_.verdict, model.doubts_) == ("good", ()))
    assert len(settled) >= 3
    assert sum(settled) >= len(settled) - 1


def test_large_ratios_are_told_without_digits_that_say_nothing():
    said = [name_excess(excess) for excess in (0.0, 0.511, 8.9, 9.2, 41.0, 1_763_489.12, np.inf)]
    expected = ["0% above the best", "51% above the best", "890% above the best"]
    more = "more than 100 times the best"
    assert said == [*expected, "10 times the best", "42 times the best", more, more]


def test_doubts_are_those_of_the_last_decode(sketch):
    X = blobs(20_000, k=5)
    few = Sketcher(7, n_clusters=5, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(5, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit_sketch(few)
    assert model.doubts_
    assert model.fit_sketch(sketch).doubts_ == ()


def test_few_rows_of_a_sketch_are_a_doubt_and_kept_rows_are_none():
    X = blobs(40)
    alone = Sketcher(60, n_clusters=3, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(3, random_state=0).fit_sketch(alone)
    assert model.report().verdict == "doubtful"
    # Five for each parameter.
    wanted = 5 * model.mixture_.quality.n_parameters
    assert model.report().remedy == f"Add rows: {wanted} tell so many clusters from accidents."
    assert model.quality_.verdict == "good"
    assert "by themselves are good; the report is stricter because of so few rows." in " ".join(
        model.report().reasons
    )
    kept = CompressiveKMeans(3, random_state=0).fit(X).report()
    assert kept.verdict == "good"
    assert any("40 rows beside the sketch" in reason for reason in kept.reasons)


def test_a_report_is_no_milder_than_the_figures_and_says_which_of_them_it_goes_by():
    X = load_breast_cancer().data
    sketch = Sketcher(n_clusters=2, scale="columns", random_state=0).fit(X).sketch(X)
    model = CompressiveGaussianMixture(2, reg_covar=1e-9, random_state=0).fit_sketch(sketch)
    # Of so few rows nothing is warned of.
    assert (model.quality_.verdict, model.doubts_) == ("wrong", ())
    report = model.report()
    assert report.verdict == "wrong"
    least, greatest = model.quality_.moment_factors
    assert f"have {least:.3g} to {greatest:.3g} times the rows' variance" in " ".join(
        report.reasons
    )


@pytest.mark.filterwarnings("ignore:components have .* by column")
def test_columns_in_unlike_units_are_told_of_centroids_and_not_of_components():
    X = np.random.default_rng(0).normal(size=(3_000, 2)) * [1.0, 500.0]
    sketch = Sketcher(n_clusters=2, random_state=0).fit(X).sketch(X)
    told = r"Columns differ in width [45].*e\+02 times, and the narrow ones hardly count"
    found = CompressiveKMeans(2, random_state=0).fit_sketch(sketch).report()
    assert re.search(told, " ".join(found.reasons))
    assert found.remedy == "Nothing, if columns are in like units."
    mixture = CompressiveGaussianMixture(1, random_state=0).fit_sketch(sketch)
    assert not re.search(told, " ".join(mixture.report().reasons))


def test_far_rows_that_no_wave_shows_are_found_by_the_remedy_that_is_named():
    X = np.random.default_rng(0).random((20_000, 4))
    # On both sides, so that the mean does not tell where they are.
    X[:5] -= 1000.0
    X[5:10] += 1000.0
    sketch = Sketcher(n_clusters=4, random_state=0).fit(X).sketch(X)
    with pytest.warns(ConvergenceWarning, match="escaped the sketch. Call fit with the rows, or"):
        alone = CompressiveKMeans(4, random_state=0).fit_sketch(sketch)
    assert alone.report().remedy == "Call fit with the rows."
    fitted = CompressiveKMeans(4, random_state=0).fit(X)
    assert fitted.report().verdict == "good"
    assert fitted.score(X) >= alone.score(X)


def forget_report(path):
    """Make of a model's file one of an earlier version, which kept no report."""
    stored = StoredModel.from_bytes(path.read_bytes())
    path.write_bytes(replace(stored, report=None).to_bytes())


@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize("estimator", [CompressiveKMeans, CompressiveGaussianMixture])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_file_keeps_what_was_said_of_the_decode(sketch, estimator, k, tmp_path):
    first, second = tmp_path / "first.model", tmp_path / "second.model"
    model = estimator(k, random_state=0).fit_sketch(sketch)
    model.save(first)
    loaded = load_model(first)
    assert loaded.report() == model.report()
    loaded.save(second)
    assert second.read_bytes() == first.read_bytes()
    # A new decode has a report of its own.
    more = loaded.set_params(n_clusters=5) if k == 2 and estimator is CompressiveKMeans else loaded
    again = clone(more).fit_sketch(sketch)
    assert more.fit_sketch(sketch).report() == again.report()


def test_what_was_said_of_rows_that_were_kept_is_kept_too(tmp_path):
    model = CompressiveKMeans(3, random_state=0).fit(blobs(2000))
    model.save(tmp_path / "m.model")
    assert load_model(tmp_path / "m.model").report() == model.report()


@pytest.mark.parametrize(
    "report",
    [
        *("good", {}, {"verdict": "good"}),
        {"title": "a", "verdict": "fine", "reasons": ["b"], "remedy": "c"},
        {"title": "a", "verdict": "good", "reasons": "b", "remedy": "c"},
        {"title": "a", "verdict": "good", "reasons": [1], "remedy": "c"},
        {"title": None, "verdict": "good", "reasons": ["b"], "remedy": "c"},
        {"title": "a", "verdict": ["good"], "reasons": ["b"], "remedy": "c"},
        {"title": "a", "verdict": "good", "reasons": ["b"], "remedy": "c", "more": "d"},
    ],
)
def test_what_is_no_report_is_refused(sketch, report, tmp_path):
    CompressiveKMeans(5, random_state=0).fit_sketch(sketch).save(tmp_path / "m.model")
    data = (tmp_path / "m.model").read_bytes()
    (tmp_path / "m.model").write_bytes(altered(data, report=json.dumps(report)))
    with pytest.raises(ModelFormatError, match="report"):
        load_model(tmp_path / "m.model")


@pytest.mark.parametrize(
    "estimator", [CompressiveKMeans(5), CompressiveGaussianMixture(5, covariance_type="full")]
)
def test_a_model_of_an_earlier_file_tells_what_that_does(sketch, estimator, tmp_path):
    model = estimator.set_params(random_state=0).fit_sketch(sketch)
    model.save(tmp_path / "m.model")
    forget_report(tmp_path / "m.model")
    report = load_model(tmp_path / "m.model").report()
    # The cost, and what is expected of it, are the same.
    same = [reason for reason in report.reasons if reason in model.report().reasons]
    assert any("what it leaves is" in reason for reason in same)
    assert "holds neither the decoded mixture" in report.reasons[-1]
    assert report.verdict == model.report().verdict == "good"
    # Nor does what is written of it claim to know more.
    load_model(tmp_path / "m.model").save(tmp_path / "again.model")
    assert load_model(tmp_path / "again.model").report() == report


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("n_far", "how_far"), [(1, 10_000.0), (1, 1000.0), (5, 200.0)])
def test_far_rows_within_the_noise_make_no_good_model_that_lacks_them(
    n_far, how_far, seed, tmp_path
):
    rows = np.random.default_rng(seed).normal(size=(5000, 2))
    X = np.concatenate([rows, np.full((n_far, 2), how_far)])
    sketch = Sketcher(n_clusters=2, keep_pilot=False, random_state=seed).fit(X).sketch(X)
    model = CompressiveKMeans(2, random_state=seed).fit_sketch(sketch)
    # One row is never found. Five mostly are, and without them it is forty times as much.
    has_them = -model.score(X) < 2.0 * np.sum((rows - rows.mean(axis=0)) ** 2)
    model.save(tmp_path / "m.model")
    verdict = model.report().verdict
    assert has_them or verdict != "good"
    assert load_model(tmp_path / "m.model").report().verdict == verdict
    forget_report(tmp_path / "m.model")
    assert has_them or load_model(tmp_path / "m.model").report().verdict != "good"


@pytest.fixture(scope="module")
def public():
    sketcher = Sketcher.from_domain(
        [-10.0] * 2, [40.0] * 2, n_clusters=3, clip=True, random_state=0
    )
    return release(sketcher.sketch(blobs(30_000)), epsilon=2.0, delta=1e-6)


@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_a_mixture_of_a_private_sketch_is_as_good_once_it_is_loaded(
    public, covariance_type, tmp_path
):
    mixture = CompressiveGaussianMixture(3, covariance_type=covariance_type, random_state=0)
    mixture.fit_sketch(public).save(tmp_path / "m.model")
    forget_report(tmp_path / "m.model")
    loaded = load_model(tmp_path / "m.model").report()
    assert (mixture.report().verdict, loaded.verdict, loaded.remedy) == ("good", "good", "Nothing.")
    # The moments of components are in the file.
    assert {*mixture.report().reasons} < {*loaded.reasons}


def test_what_a_file_does_not_tell_is_a_doubt_that_says_so(tmp_path):
    X = np.random.default_rng(0).standard_t(3, size=(40_000, 2))
    X[:20_000] += 8.0
    sketch = Sketcher(n_clusters=2, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(2, random_state=0).fit_sketch(sketch)
    assert model.report().verdict == "good"
    model.save(tmp_path / "m.model")
    forget_report(tmp_path / "m.model")
    report = load_model(tmp_path / "m.model").report()
    assert report.verdict == "doubtful"
    assert "whatever it was called when it was learned" in report.reasons[-1]
    assert report.remedy == "Decode its sketch again, for a verdict of its own."


@pytest.mark.parametrize("estimator", [CompressiveKMeans(5), CompressiveGaussianMixture(5)])
def test_what_only_a_decode_sets_is_missing_for_a_reason(sketch, estimator, tmp_path):
    estimator.set_params(random_state=0).fit_sketch(sketch).save(tmp_path / "m.model")
    loaded = load_model(tmp_path / "m.model")
    for name in ("quality_", "mixture_", "doubts_"):
        assert hasattr(estimator, name)
        with pytest.raises(
            AttributeError, match=rf"{name}'.*a model's file holds none.*report\(\)"
        ):
            getattr(loaded, name)
    with pytest.raises(AttributeError, match=r"no attribute 'qualities_'$"):
        loaded.qualities_  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'quality_'$"):
        type(estimator)(5).quality_  # noqa: B018


def test_unfitted_models_have_no_report():
    with pytest.raises(NotFittedError):
        CompressiveKMeans(2).report()
    assert "CompressiveKMeans" in CompressiveKMeans(2)._repr_html_()


def test_notebooks_show_the_same_words(sketch):
    model = CompressiveKMeans(5, random_state=0).fit_sketch(sketch)
    report = model.report()
    parser = Balanced()
    parser.feed(report.to_html())
    assert parser.open == []
    for words in (report.title, report.verdict, *report.reasons, report.remedy):
        assert words in parser.text
    bundle = model._repr_mimebundle_()
    assert report.to_html() in bundle["text/html"]
    assert "CompressiveKMeans" in bundle["text/plain"]
    json.dumps(bundle)


def test_lines_fit_a_terminal(sketch):
    text = str(CompressiveKMeans(5, random_state=0).fit_sketch(sketch).report())
    assert max(map(len, text.splitlines())) <= 88


@pytest.mark.slow
def test_what_a_session_shows_is_short():
    X = np.random.default_rng(0).normal(size=(3000, 40))
    sketcher = Sketcher(n_clusters=2, random_state=0).fit(X)
    sketch = sketcher.sketch(X)
    model = CompressiveKMeans(2, random_state=0).fit_sketch(sketch)
    operator, lower = sketch.operator, np.tril(np.ones((30, 30)))
    square = np.ones((30, 30))
    shown = [
        *(sketch, sketcher, operator, operator.linear_map, operator.features, operator.domain),
        *(sketch.sums, sketch.moments, sketch.moments.sums, operator.moment_grid),
        *(model, model.mixture_, model.mixture_.quality, model.mixture_.family),
        *(Region.of(sketch), compare(sketch, sketcher.sketch(X[:100]))),
        count_clusters(sketch, [1, 2], random_state=0),
        *(check_supports(lower, lower.T), check_supports(square, square)),
        hadamard_butterfly(32),
    ]
    for each in shown:
        text = repr(each)
        assert len(text) < 250, text
        assert "\n" not in text
        assert not re.search(r" at 0x|array\(", text), text


@pytest.mark.slow
def test_a_loaded_model_of_several_scales_is_judged_in_the_units_of_its_decode(tmp_path):
    X = blobs(20_000) * np.array([1.0, 50.0])
    sketch = Sketcher(n_clusters=3, scale="mixed", random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(3, random_state=0).fit_sketch(sketch)
    model.save(tmp_path / "m.model")
    forget_report(tmp_path / "m.model")
    spread = "Its clusters together have 100% of the rows' variance."
    assert spread in model.report().reasons
    # Which matches round atoms around the centroids, whatever the decode's were.
    said = " ".join(load_model(tmp_path / "m.model").report().reasons)
    found = re.search(r"Its clusters together have (\d+)% of the rows' variance", said)
    assert abs(int(found[1]) - 100) <= 1
