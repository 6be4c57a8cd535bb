"""What is done to points, weighted or not, that stand for the data: k-means and EM on them."""

from sketchlearn.points.em import Moments, fit_mixture
from sketchlearn.points.kmeans import cluster_points, find_clusters
from sketchlearn.points.row_mixture import fit_mixture_from_clusters, fit_mixture_to_rows

__all__ = [
    "Moments",
    "cluster_points",
    "find_clusters",
    "fit_mixture",
    "fit_mixture_from_clusters",
    "fit_mixture_to_rows",
]
