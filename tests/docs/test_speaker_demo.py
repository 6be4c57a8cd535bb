"""The speaker demo, end to end on voices made up, and its parts."""

import numpy as np
import pytest
from speech import small_corpus

from docs.examples import plot_speaker_verification as demo
from docs.examples import speaker_report
from docs.examples.speaker_protocol import Speech, Trials
from sketchlearn import Sketcher


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A dozen made-up speakers in the corpus' place, small backgrounds, small sketches."""
    monkeypatch.setenv("SKETCHLEARN_DATA", str(tmp_path))
    monkeypatch.setattr(demo, "N_COMPONENTS", 4)
    monkeypatch.setattr(demo, "SKETCH_SIZES", (200, 400))
    monkeypatch.setattr(demo, "PARTS", (2, 4))
    small_corpus(tmp_path / "an4" / "an4_wav.tar.gz")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the sketch's noise moves components")  # of few frequencies
@pytest.mark.filterwarnings("ignore:components together have")
def test_demo_prints_a_table_draws_a_figure_and_writes_a_page(small, tmp_path, capsys):
    figure, page = tmp_path / "images" / "det.png", tmp_path / "page.md"
    demo.main(["--resamples", "2", "--figure", str(figure), "--page", str(page)])
    printed = capsys.readouterr().out
    assert "48 recordings of 12 speakers" in printed.replace("\n", " ")
    for name in ("EM, all frames", "EM, 1 in 4", "sketch, m = 400", "k-means, 33 frames"):
        assert name in printed
        assert name in page.read_text("utf-8")
    assert "2 splits of the speakers" in page.read_text("utf-8").replace("\n", " ")
    assert "±" in printed
    assert "…" not in printed  # 80 columns are enough
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.quality
@pytest.mark.slow
def test_a_sketched_background_knows_voices(small):
    recordings = demo.load_speech()
    background = demo.from_sketch(400)(recordings, 0)
    plain = demo.from_frames()(recordings, 0)
    assert background.n_bytes == 6400
    frames = np.concatenate([recording.frames for recording in recordings])
    single = demo.GaussianMixture(1, covariance_type="diag").fit(frames)
    # Of what EM gains over one Gaussian, the sketch keeps half or more.
    gained = plain.mixture.score(frames) - single.score(frames)
    assert background.mixture.score(frames) - single.score(frames) > 0.5 * gained


def test_without_the_corpus_the_demo_says_what_to_put_where(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("SKETCHLEARN_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"an4/an4_wav.tar.gz under \$SKETCHLEARN_DATA") as left:
        demo.main(["--figure", str(tmp_path / "none.png")])
    assert left.value.code != 0
    assert not (tmp_path / "none.png").exists()


def test_files_one_by_one_give_the_sketch_of_all_frames(monkeypatch):
    monkeypatch.setattr(demo, "FIRST_FRAMES", 100)
    rng = np.random.default_rng(0)
    files = [Speech("f0", rng.standard_normal((40, 3))) for _ in range(6)]
    sketch = demo.sketch_files(files, 50, seed=1)
    rows = np.concatenate([file.frames for file in files])
    assert sketch.n_samples == 240
    assert sketch == Sketcher.from_operator(sketch.operator).sketch(rows)


def test_as_many_frames_as_take_the_sketchs_bytes():
    assert [demo.same_bytes(m) for m in (500, 1000, 5000)] == [83, 166, 833]


def test_mixture_of_kmeans_scores_as_its_parameters_say():
    rng = np.random.default_rng(1)
    frames = np.concatenate([rng.normal(c, [0.5, 1.0], size=(400, 2)) for c in (-9.0, 9.0)])
    mixture = demo.mixture_by_kmeans(frames, 0, n_components=2)
    np.testing.assert_allclose(np.sort(mixture.means_[:, 0]), [-9, 9], atol=0.2)
    np.testing.assert_allclose(mixture.covariances_[0], [0.25, 1.0], rtol=0.2)
    expected = -np.log(2) - np.log(2 * np.pi) - np.log(0.5) - 1.0
    assert mixture.score(frames) == pytest.approx(expected, abs=0.05)


def results_of(errors, likelihoods):
    """Results whose error rates and likelihoods are known, by way and resample."""

    def trials(error):
        is_target = np.arange(2000) < 1000
        scores = np.where(is_target, 1.0, 0.0)
        n_wrong = round(10 * error)
        scores[:n_wrong], scores[1000 : 1000 + n_wrong] = 0.0, 1.0
        return Trials(scores, is_target, np.ones(2000, dtype=bool))

    background = demo.Background(demo.GaussianMixture(1), 8000, 1.5)
    return [
        {
            name: demo.Result(background, trials(errors[name][i]), likelihoods[name][i])
            for name in errors
        }
        for i in range(len(next(iter(errors.values()))))
    ]


def test_differences_are_paired():
    names = (speaker_report.REFERENCE, "sketch")
    results = results_of(
        dict(zip(names, [(10.0, 20.0), (11.0, 23.0)], strict=True)),
        dict(zip(names, [(-5.0, -6.0), (-5.5, -6.5)], strict=True)),
    )
    reference, sketch = speaker_report.lines(results)
    assert reference == (names[0], "8 kB", "15.0", "", "15.0", "-5.50", "", "1.5")
    assert sketch == (
        "sketch",
        "8 kB",
        "17.0",
        "+2.0 ± 1.0",
        "17.0",
        "-6.00",
        "-0.50 ± 0.00",
        "1.5",
    )


def test_one_resample_has_no_standard_error():
    results = results_of({speaker_report.REFERENCE: (10.0,), "x": (12.0,)},
                         {speaker_report.REFERENCE: (-5.0,), "x": (-5.5,)})  # fmt: skip
    assert speaker_report.lines(results)[1][3] == "+2.0"
