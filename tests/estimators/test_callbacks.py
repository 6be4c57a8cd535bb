"""scikit-learn's callbacks, where it has them: a fit as tasks, in order, its model given along."""

import numpy as np
import pytest

from sketchlearn import (
    CompressiveClassifier,
    CompressiveGaussianMixture,
    CompressiveKMeans,
    CompressivePCA,
    Sketcher,
)
from sketchlearn.sketching import make_moment_sketcher

pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")

X = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[0.0], [9.0]], 300, axis=0)
Y = np.repeat(["a", "b"], 300)


class Heard:
    """A callback of the protocol that writes down what it hears."""

    def __init__(self, fails_at=None):
        self.tasks, self.models, self.rows, self.fails_at = [], [], [], fails_at

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.tasks.append(f"begin {context.task_name}")
        if X is not None:
            self.rows.append((X, y))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.tasks.append(f"end {context.task_name}")
        if fitted_estimator is not None:
            self.models.append(fitted_estimator)
        if context.task_name == self.fails_at:
            raise RuntimeError("enough")


DECODED = ["begin sketch", "end sketch", "begin decode", "end decode"]


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        (CompressiveKMeans(2, random_state=0), DECODED),
        (CompressiveGaussianMixture(2, random_state=0), DECODED),
        (CompressivePCA(1), []),
        (CompressiveClassifier(random_state=0), []),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fit_is_told_as_tasks_and_its_model_given_along(model, parts):
    heard = Heard()
    model.set_callbacks(heard).fit(X, Y)
    assert heard.tasks == ["setup", "begin fit", *parts, "end fit", "teardown"]
    assert heard.rows[0][0] is X
    assert heard.rows[0][1] is Y
    (given,) = heard.models
    method = "transform" if isinstance(model, CompressivePCA) else "predict"
    np.testing.assert_array_equal(getattr(given, method)(X), getattr(model, method)(X))


def test_sketches_are_told_of_without_rows():
    waves = Sketcher(60, random_state=0).fit(X).sketch(X)
    sketcher = make_moment_sketcher(X)
    told = {
        "fit_sketch": (CompressiveKMeans(2, random_state=0), waves),
        "fit_sketches": (CompressiveClassifier(), {k: sketcher.sketch(X[k == Y]) for k in "ab"}),
    }
    for name, (model, given) in told.items():
        heard = Heard()
        getattr(model.set_callbacks(heard), name)(given)
        assert [heard.tasks[1], heard.tasks[-2]] == [f"begin {name}", f"end {name}"]
        assert not heard.rows
        assert len(heard.models) == 1


@pytest.mark.parametrize("task", ["sketch", "decode", "fit"])
def test_what_a_callback_raises_ends_the_fit_and_leaves_the_model_as_it_was(task):
    heard, model = Heard(fails_at=task), CompressiveKMeans(2, random_state=0).fit(X)
    before = dict(vars(model))
    model.set_callbacks(heard)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X + 5.0)
    assert heard.tasks[-1] == "teardown"
    model.set_callbacks()
    assert vars(model) == before


def test_models_that_have_callbacks_are_saved_without_them(tmp_path):
    model = CompressiveKMeans(2, random_state=0).set_callbacks(Heard()).fit(X)
    model.save(tmp_path / "x.model")
    loaded = CompressiveKMeans.load(tmp_path / "x.model")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    # Not a fit of all rows: no task.
    heard = Heard()
    model.set_callbacks(heard).partial_fit(X)
    assert heard.tasks == []
