"""What is done to points, weighted or not, that stand for the data: k-means and EM on them."""
