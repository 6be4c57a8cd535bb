"""BLAS and OpenMP on one thread: restored in any case, and one operator for any threads."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn._threads import OneThread, on_one_blas_thread


def counts(user_api):
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == user_api]


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2):
        yield


def test_limits_hold_within_and_are_restored():
    blas, openmp = counts("blas"), counts("openmp")
    with OneThread():
        assert set(counts("blas") + counts("openmp")) == {1}
        with OneThread(openmp=False):
            assert set(counts("blas")) == {1}
        assert set(counts("blas") + counts("openmp")) == {1}
    assert (counts("blas"), counts("openmp")) == (blas, openmp)


def test_only_blas_is_limited_if_openmp_is_not_asked_for():
    openmp = counts("openmp")
    assert on_one_blas_thread(lambda: (set(counts("blas")), counts("openmp")))() == ({1}, openmp)


def test_limits_are_restored_after_an_error():
    before = counts("blas")
    with pytest.raises(ZeroDivisionError), OneThread():
        _ = 1 / 0
    assert counts("blas") == before


@pytest.mark.parametrize("first_out", [0, 1])
def test_threads_that_overlap_do_not_lift_each_others_limit(first_out):
    before = counts("blas")
    leave = [threading.Event(), threading.Event()]
    entered, left = threading.Barrier(3), [threading.Event(), threading.Event()]

    def hold(i):
        with OneThread():
            entered.wait()
            leave[i].wait()
        left[i].set()

    threads = [threading.Thread(target=hold, args=(i,), daemon=True) for i in (0, 1)]
    for thread in threads:
        thread.start()
    entered.wait()
    leave[first_out].set()
    left[first_out].wait()
    assert set(counts("blas")) == {1}
    leave[1 - first_out].set()
    for thread in threads:
        thread.join()
    assert counts("blas") == before


def test_a_limit_that_another_library_lifts_is_set_again():
    with OneThread(), threadpool_limits(2), OneThread():
        assert set(counts("blas")) == {1}


def test_what_another_library_restores_in_the_meantime_is_left_alone():
    before = counts("blas")
    theirs = threadpool_limits(1, user_api="blas")
    with OneThread():
        theirs.restore_original_limits()
    assert counts("blas") == before


@pytest.mark.slow
def test_threads_that_fit_one_seed_learn_the_same():
    before = counts("blas"), counts("openmp")
    X = np.random.default_rng(0).normal(size=(8000, 20))

    def fitted(i):
        if i % 4:
            return Sketcher(50, n_clusters=5, random_state=0).fit(X).operator_.fingerprint
        model = CompressiveKMeans(2, n_frequencies=50, random_state=0).fit(X)
        return model.cluster_centers_.tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(fitted, range(24)))) == 2
    assert (counts("blas"), counts("openmp")) == before


@pytest.mark.slow
@pytest.mark.parametrize("fit", [Sketcher(50).fit, CompressiveKMeans(3, n_frequencies=30).fit])
def test_limits_are_restored_whenever_a_fit_is_interrupted(fit):
    before = counts("blas"), counts("openmp")
    X = np.random.default_rng(0).normal(size=(6000, 5))
    fit(X)

    def interrupt(*_):
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGVTALRM, interrupt)
    try:
        # Of processor time, so that a busy machine is interrupted at the same places.
        for seconds in np.geomspace(1e-4, 0.1, 12):
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
                fit(X)
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            except KeyboardInterrupt:
                pass
            assert (counts("blas"), counts("openmp")) == before
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, earlier)
