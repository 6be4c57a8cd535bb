"""A number of clusters, what speaks for it and against it, in a table and in words."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.decoders.mixture import Mixture

# Adjusted Rand index from which two partitions are nearly the same: "excellent recovery" of
# Steinley, "Properties of the Hubert-Arabie adjusted Rand index", Psychological Methods 9(3), 2004.
STABLE = 0.9
# Silhouette up to which clusters do not stand apart: "no substantial structure" of Kaufman and
# Rousseeuw, "Finding groups in data", 1990, table 4 of chapter 2.
NO_STRUCTURE = 0.25
WIDTH = 88


@final
@dataclass(frozen=True, eq=False, repr=False)
class ClusterCount:
    """A number of clusters, and what it was chosen among.

    ``print`` shows in words how far to trust it, and a table of all candidates; a notebook shows
    the same.

    Attributes
    ----------
    n_clusters : int
        The chosen number.
    is_resolved : bool
        Whether that many Gaussians explain the sketch up to noise, fewer do not, and there is a
        valley between any two. If not, the number is that of separate heaps of rows, as far as
        they are known.
    reason : str
        Why it is resolved or not: a sentence.
    mixtures : dict of int to Mixture
        The mixture of each candidate.
    criteria : dict of int to float
        What the choice is by, smaller being better: see `count_clusters`.
    stabilities : dict of int to float
        How alike the clusters are that another draw of the sketch's noise gives: adjusted Rand
        index, 1 for the same, about 0 for chance; nan of one cluster, or if nothing was drawn.
    silhouettes : dict of int to float
        Mean silhouette of synthetic rows, -1 to 1: how much nearer rows are to their own cluster
        than to the next; nan of one cluster.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, count_clusters
    >>> X = np.random.default_rng(0).normal(size=(5_000, 2))
    >>> sketch = Sketcher(n_clusters=4, random_state=0).fit(X).sketch(X)
    >>> count = count_clusters(sketch, range(1, 5), random_state=0)
    >>> count.table["n_clusters"], min(count.criteria, key=count.criteria.get)
    ([1, 2, 3, 4], 1)
    """

    n_clusters: int
    is_resolved: bool
    reason: str
    mixtures: dict[int, Mixture]
    criteria: dict[int, float]
    stabilities: dict[int, float]
    silhouettes: dict[int, float]

    @property
    def table(self) -> dict[str, list[float]]:
        """A line for each candidate, by column, as ``pandas.DataFrame`` takes it.

        ``n_clusters``; ``goodness_of_fit``, what its mixture leaves of the sketch over what noise
        would, about 1 where it is right; ``criterion``, above the least; ``stability``;
        ``silhouette``.
        """
        numbers, least = sorted(self.mixtures), min(self.criteria.values())
        return {
            "n_clusters": list(numbers),
            "goodness_of_fit": [float(self.mixtures[k].goodness_of_fit) for k in numbers],
            "criterion": [float(self.criteria[k] - least) for k in numbers],
            "stability": [self.stabilities[k] for k in numbers],
            "silhouette": [self.silhouettes[k] for k in numbers],
        }

    @property
    def summary(self) -> str:
        """What was found and how far to trust it, in sentences."""
        clusters = "1 cluster" if self.n_clusters == 1 else f"{self.n_clusters} clusters"
        if self.is_resolved:
            return f"{clusters}, resolved: {self.reason}"
        said = [f"{clusters}, not resolved: {self.reason}", self._say_stability()]
        said += [self._say_apart()]
        if not self._is_agreed:
            said.append("The sketch does not determine the number: choose it by its use.")
        return " ".join(sentence for sentence in said if sentence)

    def __repr__(self) -> str:
        tried = ", ".join(map(str, self.mixtures))
        return (
            f"ClusterCount(n_clusters={self.n_clusters}, is_resolved={self.is_resolved}, "
            f"tried {tried})"
        )

    def __str__(self) -> str:
        names, rows = self._format_table()
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in [names, *rows]
        ]
        return "\n".join([*textwrap.wrap(self.summary, WIDTH), "", *lines])

    def _repr_html_(self) -> str:
        names, rows = self._format_table()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        return (
            f'<div class="sketchlearn-count"><p>{html.escape(self.summary)}</p>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    @property
    def _stable(self) -> list[int]:
        """Numbers whose clusters another draw of the noise hardly changes."""
        return [k for k, value in self.stabilities.items() if value >= STABLE]

    @property
    def _is_agreed(self) -> bool:
        """Whether stability and silhouette speak for the chosen number too."""
        best = _find_largest(self.silhouettes)
        return self.n_clusters in self._stable and best is not None and best[0] == self.n_clusters

    def _say_stability(self) -> str:
        if (best := _find_largest(self.stabilities)) is None:
            return ""
        if not self._stable:
            return (
                "No number of clusters is stable: with other noise they are others (stability is "
                f"at most {best[1]:.2f}, for {best[0]})."
            )
        return f"Stable under other noise: {', '.join(map(str, self._stable))}."

    def _say_apart(self) -> str:
        if (best := _find_largest(self.silhouettes)) is None:
            return ""
        if best[1] <= NO_STRUCTURE:
            return (
                "No number gives clusters that stand apart: the silhouette is at most "
                f"{best[1]:.2f}, for {best[0]}."
            )
        return f"The silhouette is largest, {best[1]:.2f}, for {best[0]}."

    def _format_table(self) -> tuple[list[str], list[list[str]]]:
        """Return names and cells, the chosen line marked."""
        numbers, *columns = self.table.values()
        names = ["", "clusters", "left / noise", "criterion", "stability", "silhouette"]
        formats = [".3g", ".0f", ".2f", ".2f"]
        rows = [
            [
                "*" if k == self.n_clusters else "",
                str(k),
                *(
                    "-" if np.isnan(value) else f"{value:z{how}}"
                    for value, how in zip(values, formats, strict=True)
                ),
            ]
            for k, *values in zip(numbers, *columns, strict=True)
        ]
        return names, rows


def _find_largest(values: dict[int, float]) -> tuple[int, float] | None:
    """Return the key and the value of the largest, None where none is a number."""
    known = {k: value for k, value in values.items() if not np.isnan(value)}
    return max(known.items(), key=lambda item: item[1]) if known else None
