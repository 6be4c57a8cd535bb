"""The table: a sketch for each key, all of one operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike, fspath
from typing import Any, Self, cast, final

import numpy as np

from sketchlearn._caller import warn_caller
from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.features.moments import MomentChoice, MomentKind, n_moments, resolve_moments
from sketchlearn.files.atomic import replace_when_done, require_replaceable
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.format import find_operator
from sketchlearn.sketches.sketch import Sketch, require_feature_names
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.row_keys import Key, KeyIndex, KeyValue
from sketchlearn.tables import columns
from sketchlearn.tables.files import TableFile, find_common_operator, list_files
from sketchlearn.tables.group_sums import GroupSums, merge_kinds, spell_key
from sketchlearn.tables.metadata import read_metadata, write_metadata
from sketchlearn.tables.missing import describe_choices, describe_missing_key

# What chooses groups by a value of their keys: the value, several, or what tells which.
Choice = KeyValue | Iterable[KeyValue] | Callable[[Any], bool]


@final
@dataclass(frozen=True, eq=False, repr=False)
class SketchTable(Mapping[Key, Sketch]):
    """Sketches by key, all of one operator; an immutable value.

    A mapping from tuples of strings, integers, dates, truth values or None to `Sketch`. Its
    integers lie in one array, 16 bytes a frequency and group, 32 bytes a moment and group. Tables
    add and subtract exactly, as sketches do; a group without rows is none, so that taking rows out
    again leaves the bytes that never having had them gives.

    Tables come from `Sketcher.sketch_groups`, from `from_parquet` and `from_arrow`.

    Parameters
    ----------
    operator : FrequencyOperator
        What the rows were projected with.
    by : tuple of str
        Names of the columns that make a key.
    groups : GroupSums
        The sums by key.
    moment_kind : {"full", "diagonal"} or None
        Which moments there are.
    feature_names : tuple of str, optional
        Names of the features.

    Raises
    ------
    ValueError
        If the arrays' shapes, or the number of names, are not those of the operator.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> cities = np.repeat(["Oslo", "Rome"], 500)
    >>> sketcher = Sketcher(50, random_state=0).fit(X)
    >>> table = sketcher.sketch_groups(X, {"city": cities})
    >>> table
    SketchTable(2 groups by city, 1000 rows, n_features=2, n_frequencies=50, ...)
    >>> table["Oslo"] == sketcher.sketch(X[:500])
    True
    >>> table.total() == sketcher.sketch(X)
    True
    """

    operator: FrequencyOperator
    by: tuple[str, ...]
    groups: GroupSums
    moment_kind: MomentKind | None
    feature_names: tuple[str, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        shape = (len(self.groups.keys), 2, self.operator.n_frequencies)
        if self.groups.feature_sums.shape != shape:
            raise ValueError(
                f"feature_sums must be of shape {shape}, got {self.groups.feature_sums.shape}"
            )
        wide = (shape[0], 4, 1 + self._n_moments)
        if self.groups.wide.shape != wide:
            raise ValueError(f"wide must be of shape {wide}, got {self.groups.wide.shape}")
        require_feature_names(self.feature_names, self.operator.n_features)

    @classmethod
    def empty(
        cls, operator: FrequencyOperator, by: Sequence[str], moments: MomentChoice = "auto"
    ) -> Self:
        """Return the table of no groups: the neutral element among those with such moments."""
        kind, d = resolve_moments(moments, operator.n_features), operator.n_features
        n_wide = 1 + (n_moments(d, kind) if kind else 0)
        none = GroupSums.empty([""] * len(by), (2, operator.n_frequencies), n_wide)
        return cls(operator, tuple(by), none, kind)

    @property
    def fingerprint(self) -> str:
        """The operator's fingerprint."""
        return self.operator.fingerprint

    @property
    def n_samples(self) -> np.ndarray:
        """Rows of positive weight of each group, (n_groups,), in the order of the keys."""
        return self.groups.n_samples

    @property
    def nbytes(self) -> int:
        """Bytes of the integers of all groups."""
        return self.groups.n_bytes

    def select(self, /, **choices: Choice) -> SketchTable:
        """Return the groups whose keys have some values.

        Parameters
        ----------
        **choices
            By the name of a column of the keys: a value, a collection of values, or a function that
            tells of a value whether it is chosen. A value that no group has chooses none; one of
            another type, as a text where keys are dates, is refused. A name that is no identifier
            of Python is given as in ``select(**{"my column": 3})``.

        Raises
        ------
        ValueError
            If there is no such column, or its keys are of another type.

        Examples
        --------
        >>> import numpy as np
        >>> from sketchlearn import Sketcher
        >>> X = np.random.default_rng(0).normal(size=(100, 2))
        >>> keys = {"day": np.arange(100) // 10, "city": np.tile(["Oslo", "Rome"], 50)}
        >>> table = Sketcher(9, random_state=0).fit(X).sketch_groups(X, keys)
        >>> list(table.select(day=[3, 4], city="Rome"))
        [(3, 'Rome'), (4, 'Rome')]
        >>> len(table.select(day=lambda day: day >= 5))
        10
        """
        tests = [
            (self._find_column(name), self._to_test(name, one)) for name, one in choices.items()
        ]
        keys = self.groups.keys
        chosen = [i for i, key in enumerate(keys) if all(test(key[at]) for at, test in tests)]
        return replace(self, groups=self.groups.take(np.array(chosen, np.intp)))

    def total(self, /, **choices: Choice) -> Sketch:
        """Return the sketch of all rows, or of those of some groups; see `select`.

        Where groups are chosen and there is none of the kind, a warning names the values that there
        are, and the sketch is empty.
        """
        groups = self.select(**choices).groups if choices else self.groups
        is_nothing = any(isinstance(one, Sized) and not len(one) for one in choices.values())
        if choices and not groups.keys and not is_nothing:
            said = describe_choices(self.by, self.groups.keys, choices)
            warn_caller(f"the sketch is empty: {said}", UserWarning)
        if not groups.keys:
            none = Sketch.empty(self.operator, self.moment_kind)
            return replace(none, feature_names=self.feature_names)
        return self._sketch(groups.merge((), [()] * len(groups.keys)), 0)

    def rollup(self, by: Sequence[str]) -> SketchTable:
        """Return the table by fewer columns: groups that these do not tell apart are added.

        Parameters
        ----------
        by : sequence of str
            Some of `by`, in any order.

        Raises
        ------
        ValueError
            If it has no such column, or one is named twice.
        """
        names = [by] if isinstance(by, str) else list(by)
        places = [self._find_column(name) for name in names]
        if len({*names}) < len(names) or not names:
            raise ValueError(f"a table is rolled up by columns, each named once, got {names}")
        kinds = [self.groups.kinds[place] for place in places]
        keys = [tuple(key[place] for place in places) for key in self.groups.keys]
        return replace(self, by=tuple(names), groups=self.groups.merge(kinds, keys))

    def to_arrow(self) -> Any:
        """Return the table as one of pyarrow: keys, and a column of 64 bits for each integer.

        Its metadata hold the operator, once. See the guide on groups and SQL for the columns.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        """
        schema = self._schema(self._metadata())
        return import_optional("pyarrow").Table.from_batches(self._batches(schema), schema)

    def to_parquet(self, path: str | PathLike[str]) -> None:
        """Write the table to a Parquet file, wholly or not at all.

        Parameters
        ----------
        path : path-like
            The file; see `to_arrow`.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        OSError
            If the file cannot be written; what was there stays.
        """
        parquet = import_optional("pyarrow.parquet")
        require_replaceable(path)
        schema = self._schema(None)
        with (
            replace_when_done(path) as place,
            parquet.ParquetWriter(
                fspath(place), schema, write_statistics=list(self.by), compression="zstd"
            ) as writer,
        ):
            writer.add_key_value_metadata(self._metadata())
            for batch in self._batches(schema):
                writer.write_batch(batch)

    @classmethod
    def from_arrow(
        cls,
        table: Any,
        *,
        operator: FrequencyOperator | str | PathLike[str] | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> Self:
        """Return the sketches in a table of pyarrow, `to_arrow`'s or what SQL made of one.

        Rows with the same key are added.

        Parameters
        ----------
        table : pyarrow.Table, or what gives an Arrow stream
            Keys, and all columns that begin with ``sk_``.
        operator : FrequencyOperator or path-like, optional
            The operator that the sketches were taken with, or its file; needed where the table's
            metadata have none, as engines drop them.
        feature_names : sequence of str, optional
            Names of the features, where the metadata have none.

        Raises
        ------
        SketchFormatError
            If a column is missing or unknown, was summed in floating point, or has fractions or
            nulls; or no rows have such sums.
        SketchMismatchError
            If the sketches, or some of them, were taken with another operator, which their sums
            tell where the metadata do not. (Those of files of version 1 do not.)
        """
        pa = import_optional("pyarrow")
        if not isinstance(table, pa.Table):
            table = pa.RecordBatchReader.from_stream(table).read_all()
        columns.require_sketches(table.schema.names)
        header, given = read_metadata(table.schema.metadata), find_operator(operator)
        stored = header.operator if header else None
        if header and given and given.fingerprint != header.fingerprint:
            raise SketchMismatchError(
                f"the table's sketches were taken with the operator {header.fingerprint}, and "
                f"{given.fingerprint} was given"
            )
        operator = given or stored
        if operator is None:
            raise SketchFormatError(
                "the table says nothing of the operator of its sketches, as engines drop metadata: "
                "give it with operator=, for instance that of the table that was summed"
            )
        by = tuple(name for name in table.schema.names if not name.startswith(columns.PREFIX))
        kind = columns.find_moments(table.schema.names, operator.n_features)
        if header:
            by, kind = header.by, header.moments
        groups = columns.read_groups(table, by, operator, kind)
        names = header.feature_names if header else None
        if feature_names is not None:
            if names is not None and names != tuple(feature_names):
                raise SketchMismatchError(
                    f"the table's features are {', '.join(names)}, and feature_names="
                    f"{list(feature_names)} was given"
                )
            names = tuple(feature_names)
        return cls(operator, by, groups, kind, feature_names=names)

    @classmethod
    def from_parquet(
        cls,
        path: str | PathLike[str] | Sequence[str | PathLike[str]],
        *,
        operator: FrequencyOperator | str | PathLike[str] | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> Self:
        """Read sketches from a Parquet file, `to_parquet`'s or what SQL made of one.

        Parameters
        ----------
        path : path-like, or sequence of them
            A file, a folder of files as Spark writes it, or several files, of which groups with
            the same key are added.
        operator, feature_names
            As of `from_arrow`.

        Raises
        ------
        SketchFormatError, SketchMismatchError
            As of `from_arrow`; also if files have other keys, moments or features than the first,
            if a file is none of Parquet, if a key is in the names of folders alone, or if some
            files say nothing of their operator and none is given.
        ValueError
            If there is no file.
        OSError
            If a file cannot be read.
        """
        files = list_files(path)
        known = find_common_operator(files, find_operator(operator))

        def read(file: TableFile) -> Self:
            return cls.from_arrow(file.read(), operator=known, feature_names=feature_names)

        if len(files) == 1:
            return read(files[0])
        tables: list[SketchTable] = []
        for file in files:
            try:
                table = read(file)
                tables.append(tables[0]._align(table) if tables else table)
            except (SketchFormatError, SketchMismatchError) as error:
                raise type(error)(f"{file.name}: {error}") from None
        first = next((table for table in tables if table.feature_names), tables[0])
        return replace(first, groups=GroupSums.join([table.groups for table in tables]))

    def __getitem__(self, key: Key | KeyValue) -> Sketch:
        whole = key if isinstance(key, tuple) else (key,)
        try:
            place = self._index.get(whole)
        except TypeError:
            raise TypeError(
                f"a key of a group is a value, or a tuple of values of {', '.join(self.by)}, "
                f"got {key!r}"
            ) from None
        if place is None:
            groups = self.groups
            raise KeyError(describe_missing_key(self.by, groups.kinds, groups.keys, whole))
        return self._sketch(self.groups, place)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.groups.keys)

    def __len__(self) -> int:
        return len(self.groups.keys)

    def __contains__(self, key: object) -> bool:
        return (key if isinstance(key, tuple) else (key,)) in self._index

    def __add__(self, other: Any) -> SketchTable:
        if not isinstance(other, SketchTable):
            return NotImplemented
        names = self._require_same_kind(other)
        return replace(self, groups=self.groups + other.groups, feature_names=names)

    def __radd__(self, other: Any) -> SketchTable:
        # `sum` starts from the integer 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Any) -> SketchTable:
        if not isinstance(other, SketchTable):
            return NotImplemented
        names = self._require_same_kind(other)
        rest = replace(self, groups=self.groups - other.groups, feature_names=names)
        for key in other:
            if key in rest:
                # That rows can have what is left is checked where a sketch is made.
                try:
                    rest[key]
                except ValueError:
                    raise ValueError(
                        f"cannot take rows from the group {spell_key(key)} that it does not contain"
                    ) from None
        return rest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SketchTable):
            return NotImplemented
        ours, theirs = ((t.fingerprint, t.by, t.moment_kind) for t in (self, other))
        return ours == theirs and self.groups == other.groups

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"SketchTable({len(self):,} groups by {', '.join(self.by)}, "
            f"{int(self.n_samples.sum())} rows, n_features={self.operator.n_features}, "
            f"n_frequencies={self.operator.n_frequencies}, {self.nbytes} bytes, operator "
            f"{self.fingerprint[:12]})"
        )

    @property
    def _n_moments(self) -> int:
        """How many moments a group has."""
        kind = self.moment_kind
        return 0 if kind is None else n_moments(self.operator.n_features, kind)

    @cached_property
    def _index(self) -> dict[Key, int]:
        """Places of the keys."""
        return {key: i for i, key in enumerate(self.groups.keys)}

    def _sketch(self, groups: GroupSums, place: int) -> Sketch:
        """Return the sketch of one of some groups."""
        sums = groups.sums(place, self.moment_kind, self.operator.n_features)
        return Sketch(self.operator, sums, feature_names=self.feature_names)

    def _schema(self, metadata: dict[bytes, bytes] | None) -> Any:
        kinds = self.groups.kinds
        return columns.make_schema(self.operator, self.by, kinds, self.moment_kind, metadata)

    def _metadata(self) -> dict[bytes, bytes]:
        return write_metadata(self.operator, self.by, self.moment_kind, self.feature_names)

    def _batches(self, schema: Any) -> Iterator[Any]:
        return columns.write_batches(self.groups, self.by, self.operator, self.moment_kind, schema)

    def _find_column(self, name: str) -> int:
        """Return which column of the keys has a name."""
        if name not in self.by:
            raise ValueError(f"the table has no key {name!r}; its keys are {', '.join(self.by)}")
        return self.by.index(name)

    def _to_test(self, name: str, choice: Choice) -> Callable[[KeyValue], bool]:
        """Return what tells of a value of a column whether it is chosen."""
        if callable(choice):
            return choice
        is_several = isinstance(choice, Iterable) and not isinstance(choice, str)
        given = cast(Iterable[Any], choice) if is_several else [choice]
        values = [one.item() if isinstance(one, np.generic) else one for one in given]
        index, held = KeyIndex([name]), self.groups.kinds[self._find_column(name)]
        index.number_arrays({name: values}, len(values), "the choice")
        found = index.kinds[0]
        if held and found and held != found:
            raise ValueError(
                f"the keys {name!r} are {held}, and groups cannot be chosen by {found}, got "
                f"{values[:5]!r}"
            )
        return {value for (value,) in index.keys}.__contains__

    def _align(self, other: SketchTable) -> SketchTable:
        """Return a table that can be joined to this one: its keys in one order; refuse others."""
        if other.by != self.by and {*other.by} == {*self.by}:
            other = other.rollup(self.by)
        self._require_same_kind(other)
        merge_kinds(self.groups.kinds, other.groups.kinds)
        return other

    def _require_same_kind(self, other: SketchTable) -> tuple[str, ...] | None:
        """Refuse a table of other keys, operator, moments or features; return the features."""
        if self.by != other.by:
            raise SketchMismatchError(
                f"one table is by {', '.join(self.by)}, the other by {', '.join(other.by)}; roll "
                "up both by the same columns, in one order"
            )
        # In words that sketches have for what differs.
        ours, theirs = (
            replace(table, groups=table.groups.take(np.array([], np.intp))).total()
            for table in (self, other)
        )
        return (ours + theirs).feature_names
