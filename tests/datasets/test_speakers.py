"""Speaker verification: the protocol, against oracles and on voices made up."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from docs.examples import speaker_protocol as protocol
from docs.examples.speaker_protocol import Speech, Trials


def recordings_of(n_women, n_men, n_files=4, d=3, seed=0, spread=2.0):
    """Speakers with a place of their own, a few frames a recording."""
    rng = np.random.default_rng(seed)
    result = []
    for gender, n in (("f", n_women), ("m", n_men)):
        for i in range(n):
            place = spread * rng.standard_normal(d)
            frames = place + rng.standard_normal((n_files, 30, d))
            result += [Speech(f"{gender}{i:03d}", recording) for recording in frames]
    return result


def fitted(rows, k=4):
    return GaussianMixture(k, covariance_type="diag", random_state=0).fit(rows)


def speakers_of(recordings):
    return {recording.speaker for recording in recordings}


def test_split_has_the_papers_numbers():
    split = protocol.split_speakers(recordings_of(24, 60), np.random.default_rng(0))
    assert len(speakers_of(split.background)) == 40
    assert len(speakers_of(split.tests)) == 44


def test_split_leaks_nothing():
    recordings = recordings_of(5, 9, n_files=5)
    split = protocol.split_speakers(recordings, np.random.default_rng(1))
    assert not speakers_of(split.background) & speakers_of((*split.enrolment, *split.tests))
    parts = (split.background, split.enrolment, split.tests)
    frames = [id(recording.frames) for part in parts for recording in part]
    assert sorted(frames) == sorted(id(recording.frames) for recording in recordings)
    for target in speakers_of(split.tests):
        halves = [sum(s.speaker == target for s in part) for part in parts[1:]]
        assert halves == [2, 3]


def test_split_does_not_depend_on_the_order_of_speakers():
    recordings = recordings_of(4, 6)
    one = protocol.split_speakers(recordings, np.random.default_rng(2))
    other = protocol.split_speakers(recordings[20:] + recordings[:20], np.random.default_rng(2))
    assert speakers_of(one.background) == speakers_of(other.background)


def test_split_needs_speakers_and_recordings():
    with pytest.raises(ValueError, match="four speakers or more, got 2"):
        protocol.split_speakers(recordings_of(1, 1), np.random.default_rng(0))
    with pytest.raises(ValueError, match="two recordings or more of f"):
        protocol.split_speakers(recordings_of(4, 4, n_files=1), np.random.default_rng(0))


def test_adaptation_is_the_papers_formula():
    rng = np.random.default_rng(3)
    background = fitted(rng.standard_normal((500, 2)) + 3 * rng.integers(2, size=(500, 1)), k=3)
    frames = rng.standard_normal((40, 2))
    means = protocol.adapted_means(background, frames)
    for i in range(3):
        weights = background.predict_proba(frames)[:, i]
        share = weights.sum() / (weights.sum() + 16)
        own = np.average(frames, axis=0, weights=weights)
        np.testing.assert_allclose(means[i], share * own + (1 - share) * background.means_[i])


def test_no_frames_leave_the_background_and_many_replace_it():
    rng = np.random.default_rng(4)
    background = fitted(rng.standard_normal((500, 2)), k=1)
    few = protocol.adapted_means(background, np.full((1, 2), 5.0), relevance=1e9)
    np.testing.assert_allclose(few, background.means_, atol=1e-6)
    many = protocol.adapted_means(background, np.full((10_000, 2), 5.0))
    np.testing.assert_allclose(many, 5.0, atol=0.02)


def test_likelihoods_are_scipys():
    rng = np.random.default_rng(5)
    background = fitted(rng.standard_normal((300, 3)) * [1.0, 2.0, 0.1], k=4)
    frames = rng.standard_normal((6, 3))
    means = np.stack([background.means_, background.means_ + rng.standard_normal((4, 3))])
    expected = np.zeros((6, 2))
    for model in range(2):
        for i in range(4):
            density = multivariate_normal(means[model, i], np.diag(background.covariances_[i]))
            expected[:, model] += background.weights_[i] * density.pdf(frames)
    found = protocol.frame_log_likelihoods(background, means, frames)
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-6)
    np.testing.assert_allclose(found[:, 0], background.score_samples(frames), rtol=1e-6)


def test_likelihoods_underflow_no_score():
    background = fitted(np.random.default_rng(6).standard_normal((100, 2)), k=2)
    far = protocol.frame_log_likelihoods(background, background.means_[None], np.full((1, 2), 1e3))
    np.testing.assert_allclose(far[:, 0], background.score_samples(np.full((1, 2), 1e3)))


@pytest.mark.quality
def test_scores_tell_speakers_apart():
    recordings = recordings_of(10, 20, d=8, spread=1.0)
    split = protocol.split_speakers(recordings, np.random.default_rng(7))
    rows = np.concatenate([recording.frames for recording in split.background])
    trials = protocol.verify(fitted(rows, k=8), split)
    n_targets = len(speakers_of(split.tests))
    assert len(trials.scores) == len(split.tests) * n_targets
    assert trials.is_target.sum() == len(split.tests)
    women = sum(test.speaker[0] == "f" for test in split.tests)
    of_women = sum(speaker[0] == "f" for speaker in speakers_of(split.tests))
    same = women * of_women + (len(split.tests) - women) * (n_targets - of_women)
    assert trials.is_same_gender.sum() == same == len(trials.within_gender().scores)
    assert protocol.equal_error_rate(trials) < 0.25
    assert trials.scores[trials.is_target].mean() > 0


def test_error_rates_of_known_scores():
    rng = np.random.default_rng(8)
    scores = np.concatenate([rng.standard_normal(20_000) + 2.0, rng.standard_normal(20_000)])
    is_target = np.arange(40_000) < 20_000
    apart = Trials(scores, is_target, is_target)
    assert protocol.equal_error_rate(apart) == pytest.approx(0.1587, abs=0.006)  # Phi(-1)
    useless = Trials(rng.standard_normal(40_000), is_target, is_target)
    assert protocol.equal_error_rate(useless) == pytest.approx(0.5, abs=0.02)
    perfect = Trials(np.where(is_target, 1.0, 0.0), is_target, is_target)
    assert protocol.equal_error_rate(perfect) == 0


def test_held_out_likelihood_is_of_targets_only():
    recordings = recordings_of(4, 4)
    split = protocol.split_speakers(recordings, np.random.default_rng(9))
    background = fitted(np.concatenate([recording.frames for recording in split.background]))
    held_out = [recording.frames for recording in recordings
                if recording.speaker not in speakers_of(split.background)]  # fmt: skip
    expected = np.mean(background.score_samples(np.concatenate(held_out)))
    assert protocol.held_out_log_likelihood(background, split) == pytest.approx(expected)
