"""How many clusters there are, from the sketch alone."""

from sketchlearn.model_selection.cluster_count import ClusterCount
from sketchlearn.model_selection.counting import count_clusters

__all__ = ["ClusterCount", "count_clusters"]
