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
a table lacks was not run on that set; Birch, Compress++ and private sketches only on up to 100
columns. BICO (PyPI) needs numpy below 2 and Spark MLlib a Java machine
and two cores: neither was run.
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
CHOICES = """## What to choose, and where sketches are behind

**Rows in one place that may stay there: not a sketch alone.** Up to 100,000 rows it is on the
front of processor seconds on *unequal sizes* only. betula-cluster takes .03 to .07 s for 50,000
to 100,000 rows of up to 20 columns, 4 MB of memory beyond the process, and has the error of
k-means on most sets; 4,000 random rows take half of that for .3 % more. A sketch alone takes .2
to 1 s on blobs, and 1 to 36 s on MNIST, whose clusters are no Gaussians, with up to 470 MB of
memory there. `fit(X)`, which keeps a pilot of 5,000 rows, takes .3 to .7 s, and 2 to 3 s on the
wide tables, with the error of k-means, but for 4 % on *halving*. On *ten million* rows the decode
hardly counts: `fit(X)` takes 2.3 s, betula-cluster 3.8 s, one start of `KMeans` 7.7 s, and
4,000 random rows .05 s for .3 % more.

**Sizes that differ much: sketches are on the front.** On *unequal sizes* and *halving* the ten
starts of `KMeans` miss a cluster, and betula-cluster and all samples follow them or lose more:
sketches alone of 5 k d frequencies have 2 to 3 % less than the reference, at half a second, 20 to
40 kB, and one pass.

**A few rows that decide.** With five far rows (*cube and five*), samples of up to 4,000 rows,
Compress++, Nystroem features, MiniBatchKMeans and all sketches alone, private ones too, are off
by a factor of a thousand: what five rows in 50,000 add to a wave is less than its noise.
`fit(X)`, coresets, betula-cluster and k-means on all rows find them, within 4 %.

**Bytes kept.** With an error below half a percent, on *blobs*, *MNIST spectral*, *halving* and
*unequal sizes*, a sketch of the fast operator keeps 10 to 19 kB, where the tree of betula-cluster
keeps 140 to 190 kB, and 4,000 rows 130 to 160 kB; on *MNIST PCA-20* it takes a dense file of 200
kB. For errors of 2 to 5 %, 500 rows and Compress++ keep as little. On wide tables a dense
operator takes megabytes, the fast one 115 to 180 kB.

**Bits of a site.** On narrow tables random rows are hard to beat: of 4,000 rows each of 100 sites
sends 40, some 10 to 26 thousand bits, where a sketch sends 23 to 291 thousand, because the same
sums come from every site. On wide tables it is the sketch that sends less: .3 to 1.3 million bits
against 1.0 to 1.3. k-means on all rows sends little, too, but in as many rounds as it has
iterations.
Sketches pay where the error has to be below that of a sample, sites hold different rows, or what
was sent is to be subtracted, added to or decoded again for another k.

**Privacy.** Nothing else here has it. With ε = 1 the error is about 5 % at most above that of
k-means on sets without far rows; with ε = .1 up to a third.

**Fewer columns.** Random projections lose 3 to 40 % at half the columns of narrow tables, and at
an eighth they lose the clusters; on 784 and 1,024 columns an eighth loses 1 to 2 %, at no fewer
seconds than 4,000 rows. They never were on a front of seconds.

**Operations.** Counted like this, sketches alone take 4 to 140 times as many as betula-cluster: a
pass costs m d for each row. Only Birch and Nystroem features take more on narrow tables. That they
are not slower by as much is because a pass is one product of matrices.
"""
