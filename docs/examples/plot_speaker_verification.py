"""Speaker verification with a background model of 64 Gaussians, learned from a sketch.

Run from the root of a checkout, or with ``make demo-speakers``; the AN4 speech corpus has to be
where `datasets/README.md` says::

    python -m docs.examples.plot_speaker_verification [--quick] [--resamples 3] [--raw]
                                                      [--figure FILE] [--page FILE]

What compressive mixtures were first shown on (Keriven, Bourrier, Gribonval and Perez, "Sketching
for large-scale learning of mixture models", 2018, section 6): the background passes by once, file
after file; what is kept of it is a sketch. Rivals are EM on all frames, on some of them, and
k-means on as many frames as take the sketch's bytes. `speaker_protocol.py` says what is measured.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from datasets.an4 import RATE, archive_path, read_an4, source_of
from datasets.cepstra import N_CEPSTRA, speech_cepstra
from docs.examples import speaker_report
from docs.examples.speaker_protocol import (
    Rows,
    Speech,
    Split,
    Trials,
    held_out_log_likelihood,
    split_speakers,
    verify,
)
from sketchlearn import CompressiveGaussianMixture, Sketch, Sketcher

N_COMPONENTS = 64
SKETCH_SIZES = (500, 1000, 5000)
PARTS = (20, 200)
# Frames that the sketcher chooses its frequencies on: the first files that hold so many.
FIRST_FRAMES = 5000
BYTES_A_FREQUENCY = 16


@dataclass(frozen=True)
class Background:
    """A model of how people sound, and what it took.

    Attributes
    ----------
    mixture : GaussianMixture
        The model.
    n_bytes : int
        What was kept of the frames to learn it from.
    seconds : float
        Processor time from frames to mixture.
    """

    mixture: GaussianMixture
    n_bytes: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """One background, tried on one resample."""

    background: Background
    trials: Trials
    log_likelihood: float


Way = Callable[[list[Speech], int], Background]


def load_speech(subtract_mean: bool = True) -> list[Speech]:
    """Read the corpus once, from its archive, and keep the cepstra of every recording."""
    return [
        Speech(
            recording.speaker, speech_cepstra(recording.samples, RATE, subtract_mean=subtract_mean)
        )
        for recording in read_an4()
    ]


def sketch_files(files: Sequence[Speech], n_frequencies: int, seed: int) -> Sketch:
    """Sketch files one after the other; the first ones also choose the frequencies."""
    waiting = iter(files)
    first = first_files(waiting)
    sketcher = Sketcher(
        n_frequencies,
        n_clusters=N_COMPONENTS,
        scale="columns",
        keep_pilot=False,
        random_state=seed,
    ).fit(np.concatenate(first))
    sketch = Sketch.empty(sketcher.operator_)
    for frames in (*first, *(file.frames for file in waiting)):
        sketch += sketcher.sketch(frames)
    return sketch


def first_files(waiting: Iterator[Speech]) -> list[Rows]:
    """Take files until they hold enough frames."""
    first: list[Rows] = []
    for file in waiting:
        first.append(file.frames)
        if sum(map(len, first)) >= FIRST_FRAMES:
            break
    return first


def from_sketch(n_frequencies: int) -> Way:
    """Learn from a sketch of so many frequencies; no frame is kept."""

    def way(files: list[Speech], seed: int) -> Background:
        start = time.process_time()
        sketch = sketch_files(files, n_frequencies, seed)
        model = CompressiveGaussianMixture(N_COMPONENTS, random_state=seed)
        with warnings.catch_warnings():
            # 500 frequencies are fewer than the field would take, and meant to be.
            warnings.filterwarnings("ignore", message="a sketch of", category=UserWarning)
            model.fit_sketch(sketch)
        seconds = time.process_time() - start
        return Background(model.to_sklearn(), BYTES_A_FREQUENCY * n_frequencies, seconds)

    return way


def from_frames(fraction: int = 1) -> Way:
    """Learn by EM from one in so many frames, chosen at random."""

    def way(files: list[Speech], seed: int) -> Background:
        frames = some_frames(files, sum(len(file.frames) for file in files) // fraction, seed)
        start = time.process_time()
        mixture = GaussianMixture(N_COMPONENTS, covariance_type="diag", random_state=seed)
        mixture.fit(frames)
        return Background(mixture, frames.nbytes, time.process_time() - start)

    return way


def same_bytes(n_frequencies: int) -> int:
    """Frames that take the bytes of a sketch: 12 cepstra of 8 bytes each."""
    return BYTES_A_FREQUENCY * n_frequencies // (8 * N_CEPSTRA)


def from_kmeans(n_frames: int) -> Way:
    """Learn by k-means from so many frames, chosen at random."""

    def way(files: list[Speech], seed: int) -> Background:
        frames = some_frames(files, n_frames, seed)
        start = time.process_time()
        mixture = mixture_by_kmeans(frames, seed, N_COMPONENTS)
        return Background(mixture, frames.nbytes, time.process_time() - start)

    return way


def some_frames(files: Sequence[Speech], n_frames: int, seed: int) -> Rows:
    """Choose so many frames at random, or all."""
    frames = np.concatenate([file.frames for file in files])
    if n_frames >= len(frames):
        return frames
    chosen = np.random.default_rng(seed).choice(len(frames), size=n_frames, replace=False)
    return np.asarray(frames[chosen])


def mixture_by_kmeans(frames: Rows, seed: int, n_components: int) -> GaussianMixture:
    """Mixture around k-means' centroids: the clusters' shares, and one variance a column for all.

    Columns are standardised first, which these cepstra need. So few frames cannot tell the
    clusters' variances apart; the common ones have n - k degrees of freedom.
    """
    deviations = frames.std(axis=0)
    clusters = KMeans(n_components, n_init=10, random_state=seed).fit(frames / deviations)
    means = clusters.cluster_centers_ * deviations
    squares = np.square(frames - means[clusters.labels_]).sum(axis=0)
    variances = squares / (len(frames) - n_components)
    shares = np.bincount(clusters.labels_, minlength=n_components) / len(frames)
    return ready_mixture(shares, means, np.tile(variances, (n_components, 1)))


def ready_mixture(weights: Rows, means: Rows, variances: Rows) -> GaussianMixture:
    """Return a scikit-learn mixture of known parameters that scores frames."""
    mixture = GaussianMixture(len(weights), covariance_type="diag")
    mixture.weights_, mixture.means_, mixture.covariances_ = weights, means, variances
    mixture.precisions_ = 1.0 / variances
    mixture.precisions_cholesky_ = 1.0 / np.sqrt(variances)
    mixture.n_features_in_ = means.shape[1]
    return mixture


def ways(is_quick: bool) -> dict[str, Way]:
    """Every way to a background, by name; the first is what the others are measured against."""
    sizes = (1000,) if is_quick else SKETCH_SIZES
    parts = PARTS[:1] if is_quick else PARTS
    return {
        speaker_report.REFERENCE: from_frames(),
        **{f"EM, 1 in {part}": from_frames(part) for part in parts},
        **{f"sketch, m = {m:,}": from_sketch(m) for m in sizes},
        **{f"k-means, {same_bytes(m)} frames": from_kmeans(same_bytes(m)) for m in sizes},
    }


def resample(
    recordings: Sequence[Speech], seed: int, compared: dict[str, Way], progress: Progress
) -> dict[str, Result]:
    """Split the speakers anew, learn every background, and try it."""
    split: Split = split_speakers(recordings, np.random.default_rng(seed))
    task = progress.add_task(f"resample {seed + 1}", total=len(compared))
    results = {}
    for name, way in compared.items():
        background = way(split.background, seed)
        results[name] = Result(
            background,
            verify(background.mixture, split),
            held_out_log_likelihood(background.mixture, split),
        )
        progress.advance(task)
    return results


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Verify speakers; the background is a sketch's.")
    parser.add_argument("--resamples", type=int, default=3, help="splits of the speakers")
    parser.add_argument("--quick", action="store_true", help="one resample, one size of sketch")
    parser.add_argument("--raw", action="store_true", help="leave each file's mean in: the room")
    parser.add_argument("--figure", type=Path, default=Path("build/speaker_verification.png"))
    parser.add_argument("--page", type=Path, help="also write a page for the docs")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Load, compare on every resample, print the table, write the figure and the page."""
    options = arguments(argv)
    console, steps = Console(), Console(stderr=True)
    try:
        source = source_of(archive_path())
        with steps.status("reading speech"):
            recordings = load_speech(subtract_mean=not options.raw)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(str(error)) from error
    with Progress(console=steps) as progress:
        n_resamples = 1 if options.quick else options.resamples
        results = [
            resample(recordings, seed, ways(options.quick), progress) for seed in range(n_resamples)
        ]
    told = speaker_report.description(source, recordings, results, is_raw=options.raw)
    console.print(told)
    console.print(speaker_report.rich_table(results))
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    speaker_report.draw(results).savefig(options.figure, dpi=130)
    console.print(f"Figure: {options.figure}")
    if options.page is not None:
        options.page.write_text(speaker_report.page(told, results, options.figure), "utf-8")
        console.print(f"Page: {options.page}")


if __name__ == "__main__":
    main()
