"""How many clusters there are, from the sketch alone."""

from sketchlearn.model_selection.counting import ClusterCount, count_clusters

__all__ = ["ClusterCount", "count_clusters"]
