"""What the page of `pareto.py` says beside its tables."""

SHOWN_ONE = """Each set was run with one
  seed, so that the two figures of a table, for the median and the worst seed, are the same."""
SHOWN_MANY = "Tables have the median and the worst seed."
INTRODUCTION = """# Resources against error

A large table can be made small in three ways before its clusters are sought: fewer columns
(random projections), fewer rows (samples and coresets), or a sketch of all of it. This page sets
them beside one another, beside the full data, and beside sketches with the noise of differential
privacy, on six costs. Made by `python -m docs.benchmarks.pareto`; {seeds} rows of
synthetic sets, samples, frequencies and starts.

{machine}

![Processor seconds against the SSE ratio, a panel for each set](../images/pareto.png)

Filled marks are the **Pareto front**: no other method is both cheaper and better. Names stand on
it alone. Errors below 0.001, and below 0.003 nats, are alike.

- *Error*: for k-means the sum of squared distances over that of the best run of scikit-learn's
  `KMeans` on all rows; for mixtures the nats that a row loses, among 10,000 rows that nothing was
  fitted to, against the best run of EM on the others. {shown} 1.67 k is
  1,670 times the reference; *failed* is a run that ended with an error, or was given up after 100
  processor seconds.
- *Processor seconds*: from a file of float32 rows to centroids, on one thread, in a process of
  its own in which everything is imported and compiled. Other work ran beside, which can make
  single figures half as large again.
- *Peak memory*: by how much that process grew, the rows included where a method needs them all.
- *Kept*: bytes that must be there until the last centroid is found: rows, a tree's leaves, or the
  sketch's whole file, with its operator, and the pilot's rows where there is a pilot.
- *Bits a site*: what each of 100 sites with equal shares of the rows sends, where all sites know
  how rows are sampled, projected or sketched. k-means on all rows sends sums of clusters in each
  iteration, or its rows where these are fewer. Sites are taken to hold random rows: else a sample
  must first agree on how many rows each sends.
- *Passes*: rows read over rows there are.
- *Operations*: multiplications with an addition, counted by formula, of the steps that grow with
  rows or frequencies.

Samples, coresets, projections and Nystroem features are clustered by three starts of `KMeans`, or
of EM; *KMeans, the reference* has ten, three where there are more than 5 million numbers. The
lightweight coreset is that of Bachem, Lucic and Krause (KDD 2018). *Compress++* is goodpoints',
on all rows: it keeps the root of their number. *betula-cluster* keeps up to 2,000 leaves; of its
mixtures, which tell no variances, the labels count. *Birch* has a radius of half the distance of
a row from its centroid. *faiss* draws its starts at random; by default it looks at 256 rows a
cluster. Sketches alone are of m = 2, 5 and 10 k d frequencies, with k + 20 in the place of d on
wide tables; signs of a quarter more. *fit, defaults* is `CompressiveKMeans(k).fit(path)`. Private
sketches know the box that the rows lie in, with δ = n^-1.1, and each run is one release. Mixtures
have a variance for each column.

*cube and five*, *halving* and *unequal sizes* are sets on which uniform samples fail by
construction: five rows of 50,000 at -1000 along each axis, beside a unit cube; clusters of which
each has half the rows of the one before; clusters whose sizes differ up to 150 times. *16
subjects* are unit vectors around 16 directions, as embeddings of texts are. A method that
a table lacks was not run on that set; Birch, Compress++, Spark and private sketches only on up to
100 columns. *Spark MLlib* has two cores and reads Parquet; its seconds and memory are those of its
Java process as well, from when that has started and clustered 3,000 rows, so that it is warm. BICO
(PyPI) needs numpy below 2: it was not run.
"""
MIXTURES = """\
![Processor seconds against nats lost, a panel for each set](../images/pareto_mixtures.png)
"""
COSTS_SHOWN = """Every cost of two sets:

![All costs of two sets against the SSE ratio](../images/pareto_costs.png)
"""
EXPLANATION = """\
Median and worst of the sets' medians; then on how many sets a method is on the front of a cost.
"""
