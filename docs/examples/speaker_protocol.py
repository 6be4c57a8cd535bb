"""Verify speakers against a background mixture: adapt it to each of them, and score recordings.

The protocol of Reynolds, Quatieri and Dunn, "Speaker verification using adapted Gaussian mixture
models", Digital Signal Processing 10, 2000. A mixture of diagonal Gaussians is learned from many
speakers, the background. Of every other speaker, the targets, half of the recordings adapt the
mixture's means to that speaker, and the other half are tried against all targets' models.

Any `sklearn.mixture.GaussianMixture` with diagonal covariances can be the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import det_curve
from sklearn.mixture import GaussianMixture

Rows = NDArray[np.float64]

BACKGROUND_SHARE = 40 / 84
RELEVANCE = 16.0


class Speech(NamedTuple):
    """Frames (n, d) of one recording, and who speaks; the name's first letter is the gender."""

    speaker: str
    frames: Rows


@dataclass(frozen=True)
class Split:
    """Recordings by their part in the trial; no speaker of the background is a target.

    Attributes
    ----------
    background : list of Speech
        What the background is learned from, in random order.
    enrolment, tests : list of Speech
        The targets' other recordings: to adapt to, and to be scored.
    """

    background: list[Speech]
    enrolment: list[Speech]
    tests: list[Speech]


@dataclass(frozen=True)
class Trials:
    """Every test recording against every target.

    Attributes
    ----------
    scores : ndarray of shape (n_trials,)
        Mean log-likelihood ratio a frame, of the target's model to the background.
    is_target, is_same_gender : ndarray of shape (n_trials,), bool
        Whether the target speaks; whether speaker and target are both women or both men.
    """

    scores: Rows
    is_target: NDArray[np.bool_]
    is_same_gender: NDArray[np.bool_]

    def within_gender(self) -> Trials:
        """Leave out the trials that a woman's and a man's voice settle."""
        kept = self.is_same_gender
        return Trials(self.scores[kept], self.is_target[kept], kept[kept])


def split_speakers(recordings: Sequence[Speech], rng: np.random.Generator) -> Split:
    """Choose background speakers, 40 in 84 of each gender, and enrol half of each other's files.

    Raises
    ------
    ValueError
        If there are fewer than four speakers, or one has a single recording.
    """
    # Sorted, so that the split does not depend on the order of files in an archive.
    speakers = sorted({recording.speaker for recording in recordings})
    if len(speakers) < 4:
        raise ValueError(f"expected recordings of four speakers or more, got {len(speakers)}")
    background: set[str] = set()
    for gender in sorted({speaker[0] for speaker in speakers}):
        names = [speaker for speaker in speakers if speaker[0] == gender]
        n_background = round(BACKGROUND_SHARE * len(names))
        background.update(rng.permutation(names)[:n_background].tolist())
    apart = [recording for recording in recordings if recording.speaker in background]
    enrolment, tests = [], []
    for speaker in speakers:
        if speaker in background:
            continue
        own = [recording for recording in recordings if recording.speaker == speaker]
        if len(own) < 2:
            raise ValueError(f"expected two recordings or more of {speaker}, got {len(own)}")
        order = rng.permutation(len(own))
        enrolment += [own[i] for i in order[: len(own) // 2]]
        tests += [own[i] for i in order[len(own) // 2 :]]
    return Split([apart[i] for i in rng.permutation(len(apart))], enrolment, tests)


def adapted_means(background: GaussianMixture, frames: Rows, relevance: float = RELEVANCE) -> Rows:
    """Means of the background moved towards a speaker's frames, (k, d).

    Component i that is responsible for n_i of the frames, of mean E_i, moves by a share
    n_i / (n_i + relevance) of the way to E_i (eq. 11 to 14; weights and variances stay).
    """
    responsibilities = background.predict_proba(frames)
    counts = responsibilities.sum(axis=0)[:, None]
    sums = responsibilities.T @ frames
    return np.asarray((sums + relevance * background.means_) / (counts + relevance))


def frame_log_likelihoods(background: GaussianMixture, means: Rows, frames: Rows) -> Rows:
    """Log-likelihood of every frame under the background with other means.

    Parameters
    ----------
    background : GaussianMixture
        Whose weights and diagonal variances hold for all models.
    means : ndarray of shape (n_models, k, d)
    frames : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n, n_models)
    """
    n_models, k, d = means.shape
    precisions = 1.0 / background.covariances_
    constant = np.log(background.weights_) - 0.5 * np.log(2 * np.pi / precisions).sum(axis=1)
    quadratic = constant - 0.5 * frames**2 @ precisions.T
    scaled = means * precisions
    cross = (frames @ scaled.reshape(-1, d).T).reshape(len(frames), n_models, k)
    exponents = quadratic[:, None, :] + cross - 0.5 * np.sum(scaled * means, axis=2)
    largest = exponents.max(axis=2, keepdims=True)
    # Half of the time goes into these exponentials; single precision is good to 1e-7 nats.
    shares = np.exp((exponents - largest).astype(np.float32))
    return np.asarray(largest[:, :, 0] + np.log(shares.sum(axis=2, dtype=np.float64)))


def verify(background: GaussianMixture, split: Split) -> Trials:
    """Enrol every target and score every test recording against all of them."""
    targets = sorted({recording.speaker for recording in split.enrolment})
    own = [[s.frames for s in split.enrolment if s.speaker == target] for target in targets]
    models = [adapted_means(background, np.concatenate(frames)) for frames in own]
    means = np.stack([background.means_, *models])
    scores = []
    for test in split.tests:
        mean = frame_log_likelihoods(background, means, test.frames).mean(axis=0)
        scores.append(mean[1:] - mean[0])
    speaking = np.array([test.speaker for test in split.tests])[:, None]
    claimed = np.array(targets)
    is_same_gender = speaking.astype("U1") == claimed.astype("U1")
    return Trials(np.ravel(scores), (speaking == claimed).ravel(), is_same_gender.ravel())


def equal_error_rate(trials: Trials) -> float:
    """Share of errors at the threshold where as many targets are missed as impostors get in."""
    false_alarms, misses, _ = det_curve(trials.is_target, trials.scores)
    nearest = np.argmin(np.abs(false_alarms - misses))
    return float((false_alarms[nearest] + misses[nearest]) / 2)


def held_out_log_likelihood(background: GaussianMixture, split: Split) -> float:
    """Mean log-likelihood a frame of all the targets' recordings, none of which it has seen."""
    frames = [recording.frames for recording in (*split.enrolment, *split.tests)]
    return float(background.score(np.concatenate(frames)))
