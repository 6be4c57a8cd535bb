"""From a sketch to a mixture, without the data."""

from sketchlearn._progress import DecodeProgress, on_progress
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.greedy.clompr import CLOMPR
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.greedy.splitting import Splitting
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.quality import FitQuality
from sketchlearn.decoders.refinement import adjust, solve_weights
from sketchlearn.decoders.second_opinion import SecondOpinion
from sketchlearn.decoders.surrogates.em import SurrogateEM
from sketchlearn.decoders.surrogates.kmeans import SurrogateKMeans

__all__ = [
    "CLOMPR",
    "BestOf",
    "DecodeProgress",
    "Decoder",
    "Fit",
    "FitQuality",
    "GivenAtoms",
    "MeanShift",
    "Mixture",
    "Problem",
    "SecondOpinion",
    "Splitting",
    "SurrogateEM",
    "SurrogateKMeans",
    "adjust",
    "on_progress",
    "solve_weights",
]
