"""From a sketch to a mixture, without the data."""

from sketchlearn.decoders.best_of import BestOf, different_ways
from sketchlearn.decoders.clompr import CLOMPR
from sketchlearn.decoders.cloud_em import CloudEM, is_identified
from sketchlearn.decoders.decoder import Decoder, Mixture, n_parameters
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.mean_shift import MeanShift
from sketchlearn.decoders.model_selection import ClusterCount, count_clusters
from sketchlearn.decoders.particles import Particles
from sketchlearn.decoders.point_clustering import cluster_points, clusters_of_points
from sketchlearn.decoders.principal import PrincipalPart, principal_part
from sketchlearn.decoders.progress import DecodeProgress, on_progress, progress_line
from sketchlearn.decoders.row_mixture import is_unbounded, mixture_of_clusters, mixture_of_rows
from sketchlearn.decoders.splitting import Splitting
from sketchlearn.decoders.synthesis import synthesize

__all__ = [
    "CLOMPR",
    "BestOf",
    "CloudEM",
    "ClusterCount",
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
    "count_clusters",
    "different_ways",
    "is_identified",
    "is_unbounded",
    "mixture_of_clusters",
    "mixture_of_rows",
    "n_parameters",
    "on_progress",
    "principal_part",
    "progress_line",
    "synthesize",
]
