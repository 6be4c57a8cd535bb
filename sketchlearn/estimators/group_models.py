"""A model for each group of a table of sketches."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Self, cast

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from sketchlearn._caller import warn_caller
from sketchlearn._validation import check_count, draw_seed, list_some
from sketchlearn.decoders import Decoder, GivenAtoms
from sketchlearn.estimators.doubts import Doubt, take_doubts
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sources.row_keys import Key
from sketchlearn.tables import SketchTable
from sketchlearn.tables.group_sums import spell_key
from sketchlearn.tables.missing import describe_no_table

# How many groups a message names, and how many have warnings of their own.
MOST_NAMED = 5
# Groups that a process is sent at a time, at most, and numbers of these jobs where there are groups
# enough.
MOST_AT_ONCE, LEAST_JOBS = 8, 32
# How many times as much of a group's sketch as of the total's is left where it started wrong.
MUCH_MORE = 1.5
# What settled the doubts of groups that were like the others, too.
OWN_START = "Fit it with start='own'"


class GroupFitter(ABC):
    """The method `fit_table` of `CompressiveKMeans` and `CompressiveGaussianMixture`."""

    random_state: Any

    if TYPE_CHECKING:

        @property
        def _n_atoms(self) -> int: ...

    @abstractmethod
    def _start_from(self, total: Sketch) -> tuple[Decoder, float]:
        """Return what decodes sketches of groups from the atoms that are found in their total.

        Also the share of the total's power that these leave unexplained. ValueError if each sketch
        is decoded in coordinates of its own.
        """

    def _is_decoded_whole(self, sketch: Sketch) -> bool:
        """Whether a group's sketch is decoded in all coordinates, as the total is."""
        return True

    def fit_table(
        self,
        table: SketchTable,
        *,
        min_samples: int | None = None,
        few: Literal["raise", "skip"] = "raise",
        start: Literal["own", "total"] = "own",
        n_jobs: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[Key, Self]:
        """Fit a model for each group of a table; this one stays as it is.

        Parameters
        ----------
        table : SketchTable
            The groups.
        min_samples : int, optional
            Rows that a group must have; by default, and at least, as many as clusters or
            components. The noise of a sketch falls with the square root of the rows: look at
            `doubts_`.
        few : {"raise", "skip"}, default="raise"
            What to do about groups of fewer rows: raise an error, or leave them out with a warning;
            either names them.
        start : {"own", "total"}, default="own"
            Where decodes start: each from its own sketch, or all from what was found in `total()`,
            which takes the place of `decoder` and `n_init`.
            Of 12 groups of 6 clusters in 5 columns, "total" took a quarter of the time; with
            clusters that had moved by twice their width from group to group, one group's sum of
            squares was 1.7 times what its own start gave, so use it where groups are alike. A group
            of which much is left unexplained is warned of; mixtures of one that moved may lose some
            tenths of a nat a row without. k-means of a group whose rows do not vary along some
            direction starts from its own sketch.
        n_jobs : int, optional
            Processes; None is 1, -1 all. The result does not depend on it.
        progress : callable, optional
            Called with the number of groups decoded and that of all.

        Returns
        -------
        dict of tuple to estimator
            By key, in the order of the table. Warnings name the group that they are about; where
            more than five groups are warned of, the last one tells how many others there are, whose
            ``doubts_`` and ``report()`` say why.

        Raises
        ------
        TypeError
            If it is no table, or a parameter of the estimator is of the wrong kind.
        ValueError
            If a parameter is out of range; if a group has too few rows, or a word is another; or if
            k-means is to start from the total where more than 100 columns are decoded along the few
            that are widest in a group.

        Examples
        --------
        >>> import numpy as np
        >>> from sketchlearn import CompressiveKMeans, Sketcher
        >>> X = np.repeat([[0.0, 0.0], [9.0, 9.0], [0.0, 9.0], [9.0, 0.0]], 100, axis=0)
        >>> sketcher = Sketcher(n_clusters=2, random_state=0).fit(X)
        >>> table = sketcher.sketch_groups(X, {"city": np.repeat(["Oslo", "Rome"], 200)})
        >>> models = CompressiveKMeans(2, random_state=0).fit_table(table)
        >>> np.sort(models["Rome",].cluster_centers_, axis=0).round() + 0.0
        array([[0., 0.],
               [9., 9.]])
        """
        if not isinstance(table, SketchTable):
            raise TypeError(describe_no_table(table))
        if few not in ("raise", "skip") or start not in ("own", "total"):
            raise ValueError(
                f"few must be 'raise' or 'skip' and start 'own' or 'total', got {few!r}, {start!r}"
            )
        model = clone(cast(Any, self))
        model._check_parameters()
        least = 1 if min_samples is None else check_count(min_samples, "min_samples")
        keys = _choose_keys(table, max(least, self._n_atoms), few)
        if not isinstance(self.random_state, int | np.integer):
            # One for all groups, whichever is decoded first.
            model.set_params(random_state=draw_seed(self.random_state))
        given = model._start_from(table.total()) if start == "total" and keys else None
        jobs = (delayed(_fit_some)(model, some, given) for some in split_table(table, keys))
        models: dict[Key, Self] = {}
        warned: list[str] = []
        done = chain.from_iterable(Parallel(n_jobs=n_jobs, return_as="generator")(jobs))
        for key, (fitted, messages) in zip(keys, done, strict=True):
            if messages:
                warned.append(spell_key(key))
            for category, message in messages if len(warned) <= MOST_NAMED else ():
                warn_caller(f"group {spell_key(key)}: {message}", category)
            models[key] = fitted
            if progress is not None:
                progress(len(models), len(keys))
        if others := warned[MOST_NAMED:]:
            warn_caller(
                f"{len(others)} more of {len(keys)} groups are in doubt: "
                f"{list_some(others, MOST_NAMED)}. Each model's report() says why, and what to do",
                ConvergenceWarning,
            )
        return models


def start_from_atoms(
    model: Any, sketch: Sketch, make: Callable[[Decoder], Decoder]
) -> tuple[Decoder, float]:
    """Make a decoder that starts from the atoms that a copy of a model finds in a sketch.

    Also return the share of the sketch's power that they leave unexplained. What else is to be
    said of the atoms is said of what becomes of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = clone(model).fit_sketch(sketch).mixture_
    atoms = mixture.matched or mixture
    return make(GivenAtoms(mixture.locations, mixture.covariances)), atoms.misfit


def _choose_keys(table: SketchTable, least: int, few: str) -> list[Key]:
    """Return the keys of groups with enough rows; refuse the others, or warn of them."""
    sizes = dict(zip(table, table.n_samples.tolist(), strict=True))
    small = [key for key in table if sizes[key] < least]
    if small:
        named = list_some([f"{spell_key(key)} with {sizes[key]}" for key in small], MOST_NAMED)
        message = f"{len(small)} groups have fewer than {least} rows: {named}"
        if few == "raise":
            raise ValueError(f"{message}; leave them out by few='skip', or roll the table up")
        warn_caller(f"{message}; they have no model", UserWarning)
    return [key for key in table if sizes[key] >= least]


def split_table(table: SketchTable, keys: list[Key]) -> Iterator[SketchTable]:
    """Yield tables of a few groups each, enough of them to keep processes busy."""
    places = {key: i for i, key in enumerate(table)}
    size = min(MOST_AT_ONCE, -(-len(keys) // LEAST_JOBS))
    for start in range(0, len(keys), size or 1):
        chosen = np.array([places[key] for key in keys[start : start + size]], np.intp)
        yield replace(table, groups=table.groups.take(chosen))


def _fit_some(
    model: Any, table: SketchTable, given: tuple[Decoder, float] | None
) -> list[tuple[Any, list[tuple[type[Warning], str]]]]:
    """Fit copies of a model to a table's sketches, whose operator is sent and prepared once."""
    return [_fit_one(model, table[key], given) for key in table]


def _fit_one(
    model: Any, sketch: Sketch, given: tuple[Decoder, float] | None
) -> tuple[Any, list[tuple[type[Warning], str]]]:
    """Fit a copy of a model to a sketch; return it, and what it warned of."""
    copy = clone(model)
    is_given = given is not None and model._is_decoded_whole(sketch)
    if given is not None and is_given:
        copy.set_params(decoder=given[0], n_init=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        copy.fit_sketch(sketch)
    copy.set_params(decoder=model.decoder, n_init=model.n_init)
    if given is not None and is_given and _doubt_start(copy, given[1]):
        return copy, [(ConvergenceWarning, doubt.message) for doubt in copy.doubts_]
    if is_given and copy.doubts_ and copy.quality_.figures_verdict != "good":
        # What its own sketch leads to may be in no doubt, whatever else would help.
        take_doubts(copy, [_advise_own_start(doubt) for doubt in copy.doubts_])
        return copy, [(ConvergenceWarning, doubt.message) for doubt in copy.doubts_]
    return copy, [(each.category, str(each.message)) for each in caught]


def _advise_own_start(doubt: Doubt) -> Doubt:
    """Return a doubt of a model that started from the total, its own start the first remedy."""
    before = f"or {doubt.remedy[:1].lower()}{doubt.remedy[1:]}"
    others = ", ".join(part for part in (before, doubt.otherwise) if part)
    return replace(doubt, remedy=OWN_START, otherwise=others)


def _doubt_start(model: Any, misfit: float) -> bool:
    """Make it the doubt of a model that its start left out clusters, and say if it did.

    Other numbers of clusters or frequencies are then no remedy. What is left of the total, as of
    clusters that are not round, is left of groups that are alike.
    """
    atoms = model.mixture_.matched or model.mixture_
    if is_misled := atoms.quality.leaves_clusters and atoms.misfit > MUCH_MORE * misfit:
        finding = (
            f"from what was found in the table's total {atoms.misfit:.1%} of the sketch's power is "
            f"left unexplained, and {misfit:.1%} of the total's: the group is not like the others, "
            "or that start led it astray."
        )
        take_doubts(model, [Doubt(finding, f"{OWN_START}.", "wrong")])
    return bool(is_misled)
