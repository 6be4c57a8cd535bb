"""From a sketch to a mixture, without the data."""

from sketchlearn._progress import DecodeProgress, on_progress, progress_line
from sketchlearn.decoders.best_of import BestOf, different_ways
from sketchlearn.decoders.decoder import Decoder, Mixture, n_parameters
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.greedy.clompr import CLOMPR
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.greedy.splitting import Splitting
from sketchlearn.decoders.point_clustering import cluster_points, clusters_of_points
from sketchlearn.decoders.principal import PrincipalPart, principal_part
from sketchlearn.decoders.row_mixture import is_unbounded, mixture_of_clusters, mixture_of_rows
from sketchlearn.decoders.surrogates.em import CloudEM, is_identified
from sketchlearn.decoders.surrogates.kmeans import Particles

__all__ = [
    "CLOMPR",
    "BestOf",
    "CloudEM",
    "DecodeProgress",
    "Decoder",
    "GivenAtoms",
    "MeanShift",
    "Mixture",
    "Particles",
    "PrincipalPart",
    "Splitting",
    "cluster_points",
    "clusters_of_points",
    "different_ways",
    "is_identified",
    "is_unbounded",
    "mixture_of_clusters",
    "mixture_of_rows",
    "n_parameters",
    "on_progress",
    "principal_part",
    "progress_line",
]
