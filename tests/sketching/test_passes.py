"""What a pass does beside its sums: it can be interrupted, and it tells how far it is."""

import io
import os
import signal
import sys
import threading

import numpy as np
import pytest

from sketchlearn import CompressiveKMeans, Sketcher, open_source
from sketchlearn._progress import ProgressLine
from sketchlearn.sources.source import limit_chunk_rows

X = np.random.default_rng(0).normal(size=(6000, 2))
SKETCHER = Sketcher(20, random_state=0).fit(X)


@pytest.fixture(autouse=True)
def small_chunks():
    with limit_chunk_rows(512):
        yield


class SlowOperator:
    """An operator whose accumulators wait until they are told to go on."""

    def __init__(self, operator, go_on):
        self._operator, self._go_on = operator, go_on

    def __getattr__(self, name):
        return getattr(self._operator, name)

    def accumulator(self):
        self._go_on.wait(30)
        return self._operator.accumulator()


class TestInterrupt:
    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_pass_ends_with_its_chunk_and_leaves_no_thread(self, n_jobs):
        sketcher = Sketcher.from_operator(SKETCHER.operator_, n_jobs=n_jobs)
        given = []

        def stream():
            for i in range(1000):
                given.append(i)
                if i == 5:
                    os.kill(os.getpid(), signal.SIGINT)
                yield X[:512]

        threads = set(threading.enumerate())
        with pytest.raises(KeyboardInterrupt):
            sketcher.sketch(stream())
        assert len(given) < 10
        assert set(threading.enumerate()) == threads
        assert sketcher.sketch(iter([X])) == SKETCHER.sketch(X)

    @pytest.mark.slow
    def test_while_the_sums_are_behind(self):
        go_on = threading.Event()
        sketcher = Sketcher.from_operator(SlowOperator(SKETCHER.operator_, go_on))
        timers = [
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)),
            threading.Timer(0.4, go_on.set),
        ]
        for timer in timers:
            timer.start()
        with pytest.raises(KeyboardInterrupt):
            sketcher.sketch(X[:512] for _ in range(1000))
        for timer in timers:
            timer.join()

    def test_an_estimator_stays_as_it_was(self):
        model = CompressiveKMeans(2, random_state=0).fit(X)
        before = model.cluster_centers_

        def stream():
            yield X
            os.kill(os.getpid(), signal.SIGINT)
            yield X

        with pytest.raises(KeyboardInterrupt):
            model.fit(stream())
        assert model.cluster_centers_ is before
        assert model.n_samples_seen_ == len(X)


class TestProgressLine:
    def line(self, *reports):
        """What is written for reports of (seconds, rows, total)."""
        file, now = io.StringIO(), [0.0]
        line = ProgressLine(file, clock=lambda: now[0])
        for now[0], n_rows, total in reports:
            line(n_rows, total)
        line.close()
        return [text.rstrip() for text in file.getvalue().split("\r")[1:]]

    def test_rows_rate_and_time_left(self):
        written = self.line((0, 0, 4000), (1, 1000, 4000), (1.1, 1100, 4000), (2, 2000, 4000))
        assert written[1:] == [
            "1,000 rows, 1,000 rows/s, 25%, 3 s left",
            "2,000 rows, 1,000 rows/s, 50%, 2 s left",
        ]

    def test_an_unknown_total(self):
        assert self.line((0, 500, None), (2, 1500, None))[-1] == "1,500 rows, 500 rows/s"

    def test_the_end_is_told_at_once(self):
        assert len(self.line((0, 0, 10), (0.001, 5, 10), (0.002, 10, 10))) == 2

    def test_rows_of_an_earlier_run_took_no_time(self):
        assert "1,000 rows/s" in self.line((0, 10**6, None), (1, 10**6 + 1000, None))[-1]

    def test_it_is_quiet_in_a_pipe_and_shows_on_a_terminal(self, capsys, monkeypatch):
        SKETCHER.sketch(X, progress=True)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        SKETCHER.sketch(open_source(X), progress=True)
        error = capsys.readouterr().err
        assert "6,000 rows, " in error
        assert error.endswith("\n")
