"""A decode tells how far it is, and can be interrupted without anything being lost."""

import io
import os
import signal
import sys
from contextvars import copy_context
from itertools import groupby

import numpy as np
import pytest

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn import _progress as progress
from sketchlearn._progress import DecodeProgress, TerminalLine, on_progress, progress_line
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import CLOMPR, BestOf, MeanShift, Splitting
from sketchlearn.model_selection import count_clusters

pytestmark = pytest.mark.slow

K = 4
rng = np.random.default_rng(0)
X = np.repeat(6.0 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), 250, axis=0)
X = X + rng.standard_normal(X.shape)
SKETCH = Sketcher(80, n_clusters=K, keep_pilot=False, random_state=0).fit(X).sketch(X)
# A diagonal line, which no round atoms explain.
LINE = np.outer(rng.uniform(size=4000), [20.0, 20.0]) + 0.3 * rng.standard_normal((4000, 2))


def heard(run):
    """All that is told while something runs."""
    reports = []
    with on_progress(reports.append, interval=0.0):
        run()
    return reports


def press_ctrl_c(report):
    os.kill(os.getpid(), signal.SIGINT)


class TestWhatIsTold:
    @pytest.mark.parametrize("decoder", [CLOMPR(), MeanShift(), Splitting()])
    def test_atoms_come_one_by_one_and_the_residual_falls(self, decoder):
        family, once = SphericalGaussian(SKETCH.operator), BestOf((decoder,), n_init=1)
        reports = heard(lambda: once.decode(SKETCH, family, K, np.random.default_rng(0)))
        assert {report.stage for report in reports} == {f"{type(decoder).__name__}, decode 1"}
        n_atoms = [report.n_atoms for report in reports]
        assert n_atoms[0] == 0
        assert 0 < n_atoms[1] < max(n_atoms)
        assert n_atoms[-1] == K
        assert {report.n_wanted for report in reports} == {K}
        assert reports[-1].noise == pytest.approx(SKETCH.standard_error**2)
        costs = [report.cost for report in reports if report.cost >= 0]
        assert costs[-1] < costs[0]
        seconds = [report.seconds for report in reports]
        assert seconds == sorted(seconds)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_stages_follow_each_other(self):
        sketch = Sketcher(100, n_clusters=K, keep_pilot=False, random_state=0).fit(LINE)
        model = CompressiveKMeans(K, random_state=0)
        reports = heard(lambda: model.fit_sketch(sketch.sketch(LINE)))
        runs = [(stage, list(told)) for stage, told in groupby(reports, key=lambda r: r.stage)]
        stages = [stage for stage, _ in runs]
        points = ["moving 3,000 points", "k-means on 9,000 points"]
        # What no atoms explain is decoded again, from elsewhere or from the first atoms.
        again = stages.index("a second opinion")
        assert stages[0] == "MeanShift, decode 1"
        assert stages[again - 2 : again] == points
        searches = ["MeanShift, decode 1", "GivenAtoms, decode 2"]
        assert stages[again + 1 :] == [*searches, "a covariance in common", *points]
        for moving in (runs[again - 2][1], runs[-2][1]):
            assert (moving[0].n_atoms, moving[-1].n_atoms) == (0, 0)
            assert moving[-1].cost < moving[1].cost

    def test_em_is_told_of(self):
        model = CompressiveGaussianMixture(3, keep_pilot=False, random_state=0)
        stages = {report.stage for report in heard(lambda: model.fit(LINE))}
        assert any(stage.startswith("EM on ") for stage in stages)

    def test_every_decode_of_several(self):
        decoders = heard(lambda: count_clusters(SKETCH, range(2, 5), random_state=0))
        assert {report.n_wanted for report in decoders} >= {2, 3, 4}

    def test_the_result_is_the_same_and_nobody_is_told_afterwards(self):
        quiet = CompressiveKMeans(K, random_state=0).fit_sketch(SKETCH)
        reports = []
        with on_progress(reports.append, interval=0.0):
            told = CompressiveKMeans(K, random_state=0).fit_sketch(SKETCH)
        np.testing.assert_array_equal(told.cluster_centers_, quiet.cluster_centers_)
        n = len(reports)
        CompressiveKMeans(K, random_state=0).fit_sketch(SKETCH)
        assert len(reports) == n > 0

    def test_other_contexts_hear_nothing(self):
        elsewhere, reports = copy_context(), []
        with on_progress(reports.append, interval=0.0):
            elsewhere.run(progress.tell, cost=1.0)
            assert reports == []
            progress.tell(cost=1.0)
        assert [report.cost for report in reports] == [1.0]


class TestLine:
    @pytest.mark.parametrize(
        ("report", "line"),
        [
            (DecodeProgress(), "decoding: 0 s"),
            (
                DecodeProgress("MeanShift, decode 2", 7, 10, 3.0, 2.0, 12.4),
                "MeanShift, decode 2: 7 of 10 atoms, residual 1.5 times the noise, 12 s",
            ),
            (
                DecodeProgress("moving 3,000 points", 0, 10, 5.0, 0.002, 1.0),
                "moving 3,000 points: residual 2.5e+03 times the noise, 1 s",
            ),
            (DecodeProgress("k-means on 9 points", 0, 10), "k-means on 9 points: 0 s"),
        ],
    )
    def test_words(self, report, line):
        assert str(report) == line

    def test_not_more_often_than_asked_for(self):
        now, lines = [0.0], []
        with on_progress(lines.append, interval=0.5, clock=lambda: now[0]):
            for now[0] in (0.0, 0.1, 0.4, 0.6, 0.7, 1.2):
                progress.tell(cost=now[0])
        assert [report.seconds for report in lines] == [0.0, 0.6, 1.2]

    def test_a_long_one_is_cut(self):
        file = io.StringIO()
        line = TerminalLine(file)
        for text in ("a" * 100, "b"):
            line.show(text)
        assert file.getvalue() == f"\r{'a' * 78}\rb{' ' * 77}"

    def test_it_is_written_over_and_ended(self):
        file = io.StringIO()
        with progress_line(file):
            CompressiveKMeans(K, random_state=0).fit_sketch(SKETCH)
        assert "\rMeanShift, decode 1: " in file.getvalue()
        assert file.getvalue().endswith("\n")

    @pytest.mark.parametrize("verbose", [0, 1])
    def test_estimators_show_it_on_a_terminal_if_asked_to(self, verbose, capsys, monkeypatch):
        model = CompressiveKMeans(K, random_state=0, verbose=verbose)
        model.fit_sketch(SKETCH)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        fits = {
            # K-means' clusters of the pilot come first; without one they are sought.
            "GivenAtoms, decode 1": lambda: model.fit(X),
            "MeanShift, decode 1": lambda: model.fit_sketch(SKETCH),
        }
        for stage, fit in fits.items():
            fit()
            assert (stage in capsys.readouterr().err) == bool(verbose)


class TestInterrupt:
    def test_an_estimator_and_the_sketch_stay_as_they_were(self):
        model = CompressiveKMeans(K, random_state=0).fit(X)
        before, bytes_before = dict(vars(model)), SKETCH.to_bytes()
        with pytest.raises(KeyboardInterrupt), on_progress(press_ctrl_c):
            model.fit_sketch(SKETCH)
        assert vars(model) == before
        assert SKETCH.to_bytes() == bytes_before
        assert len(model.predict(X)) == len(X)

    def test_what_was_added_is_not_lost(self):
        def half_way(report):
            if report.n_atoms == K:
                press_ctrl_c(report)

        model = CompressiveKMeans(K, random_state=0)
        for half in (X[::2], X[1::2]):
            model.partial_fit(half)
        with pytest.raises(KeyboardInterrupt), on_progress(half_way, interval=0.0):
            model.partial_fit()
        assert not hasattr(model, "cluster_centers_")
        assert model.n_samples_seen_ == len(X)
        expected = CompressiveKMeans(K, random_state=0)
        for half in (X[::2], X[1::2]):
            expected.partial_fit(half)
        np.testing.assert_array_equal(
            model.partial_fit().cluster_centers_, expected.partial_fit().cluster_centers_
        )

    def test_while_points_are_moved_and_clustered(self):
        sketch = Sketcher(100, n_clusters=K, keep_pilot=False, random_state=0).fit(LINE)
        sketch = sketch.sketch(LINE)
        for stage in ("moving", "k-means"):

            def at_stage(report, stage=stage):
                if report.stage.startswith(stage):
                    press_ctrl_c(report)

            model = CompressiveKMeans(K, random_state=0)
            before = dict(vars(model))
            with pytest.raises(KeyboardInterrupt), on_progress(at_stage, interval=0.0):
                model.fit_sketch(sketch)
            assert vars(model) == before

    def test_a_listener_can_end_a_decode(self):
        def enough(report):
            raise TimeoutError("a minute is enough")

        model = CompressiveGaussianMixture(K, random_state=0)
        with pytest.raises(TimeoutError, match="a minute"), on_progress(enough):
            model.fit_sketch(SKETCH)
        assert not hasattr(model, "means_")


def test_more_decodes_are_counted():
    stages = heard(
        lambda: CompressiveKMeans(K, decoder=BestOf((CLOMPR(),), 2), random_state=0).fit_sketch(
            SKETCH
        )
    )
    assert {"CLOMPR, decode 1", "CLOMPR, decode 2"} <= {report.stage for report in stages}
