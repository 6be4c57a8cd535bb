"""Keys that rows are grouped by: from columns of strings, integers, dates or truth values."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrow_values import decode_values, plain_type
from sketchlearn.sources.optional import import_optional

KeyValue = str | int | bool | datetime.date | None
Key = tuple[KeyValue, ...]
# How key columns are called in messages, and the type of Arrow's that holds their values.
KINDS = {"strings": "string", "integers": "int64", "truth values": "bool_", "dates": "date32"}
# Combinations of values, for each row, up to which they are counted in a table.
SPARSITY = 4
# Names that a message shows.
MOST_SHOWN = 5


def spell_value(value: KeyValue) -> str:
    """Return a value of a key as messages and pages have it: null, or a text, quoted if need be."""
    if value is None:
        return "null"
    is_quoted = isinstance(value, str) and (value in ("", "null") or {*value} & {*',"'})
    return '"' + str(value).replace('"', '""') + '"' if is_quoted else str(value)


class KeyIndex:
    """Numbers the keys of rows in the order in which they come.

    Parameters
    ----------
    names : sequence of str
        Columns that make a key.

    Attributes
    ----------
    names : tuple of str
        These.
    keys : list of tuple
        The keys so far. No value at all, null, is a value of its own, None.
    kinds : list of str
        What the columns hold: strings, integers, dates or truth values; "" as long as all is null.

    Raises
    ------
    ValueError
        If there is no name, or one twice.

    Examples
    --------
    >>> import pyarrow
    >>> from sketchlearn.sources.row_keys import KeyIndex
    >>> index = KeyIndex(["city", "year"])
    >>> cities, years = pyarrow.array(["Oslo", "Rome", "Oslo"]), pyarrow.array([1, None, 1])
    >>> index.number([cities, years], "the table")
    array([0, 1, 0])
    >>> index.keys
    [('Oslo', 1), ('Rome', None)]
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        n_more = len(self.names) - MOST_SHOWN
        some = f"{list(self.names[:MOST_SHOWN])}" + (f" and {n_more} more" if n_more > 0 else "")
        remedy = "to group by values of your own give them by name, as by={'day': values}"
        if not self.names or not all(isinstance(name, str) for name in self.names):
            raise ValueError(f"rows are grouped by names of columns, got {some}; {remedy}")
        if len({*self.names}) < len(self.names):
            raise ValueError(f"a column is named twice in {some}; {remedy}")
        self.keys: list[Key] = []
        self.kinds = [""] * len(self.names)
        self._numbers: dict[tuple[int, ...], int] = {}
        # Of each column, the numbers of its values so far, and these in their order.
        self._values: list[dict[KeyValue, int]] = [{} for _ in self.names]
        self._spellings: list[list[KeyValue]] = [[] for _ in self.names]

    def number(self, columns: Sequence[Any], source: str) -> np.ndarray:
        """Return the numbers (n,) int64 of the keys in columns of Arrow's.

        Parameters
        ----------
        columns : sequence of pyarrow.Array
            One for each name, of one length.
        source : str
            What messages call the data.

        Raises
        ------
        SourceError
            If a column is of another type, or of another than before.
        """
        codes = [self._number_values(which, column, source) for which, column in enumerate(columns)]
        rows, combinations = _combine(codes, [len(values) for values in self._values])
        known = np.empty(len(combinations), np.int64)
        for i, combination in enumerate(map(tuple, combinations.tolist())):
            number = known[i] = self._numbers.setdefault(combination, len(self.keys))
            if number == len(self.keys):
                spelled = zip(self._spellings, combination, strict=True)
                self.keys.append(tuple(values[code] for values, code in spelled))
        return known[rows]

    def number_arrays(
        self, arrays: Mapping[str, Any], n_rows: int, source: str = "by"
    ) -> np.ndarray:
        """Return the numbers (n_rows,) of the keys in arrays, by the names of columns.

        Messages call the arrays by `source`.

        Raises
        ------
        ValueError
            If one is of another length.
        SourceError
            As `number`.
        """
        pa, columns = import_optional("pyarrow"), []
        for name in self.names:
            try:
                column = pa.array(arrays[name], from_pandas=True)
            except (pa.ArrowException, TypeError, OverflowError, UnicodeError) as error:
                raise SourceError(
                    f"the keys {name!r} must be {', '.join(KINDS)}, all of one type: {error}"
                ) from None
            if len(column) != n_rows:
                raise ValueError(
                    f"the keys {name!r} must be {n_rows}, one a row, got {len(column)}"
                )
            if isinstance(column, pa.ChunkedArray):
                column = column.combine_chunks()
            columns.append(column)
        return self.number(columns, source)

    def require_types(self, schema: Any, source: str) -> None:
        """Refuse, by a SourceError, a schema of Arrow's that lacks a column or has another type."""
        for which, name in enumerate(self.names):
            if schema.names.count(name) != 1:
                how = "no" if name not in schema.names else "more than one"
                raise SourceError(
                    f"{source} has {how} column {name!r} to group rows by; its columns are "
                    f"{schema.names}"
                )
            self._settle_kind(which, schema.field(name).type, source)

    def _number_values(self, which: int, column: Any, source: str) -> np.ndarray:
        """Number the values of one column, (n,) int64."""
        pa = import_optional("pyarrow")
        self._settle_kind(which, column.type, source)
        kind = getattr(pa, KINDS[self.kinds[which]])() if self.kinds[which] else pa.int64()
        try:
            plain = decode_values(column).cast(kind)
        except pa.ArrowInvalid as error:
            raise SourceError(
                f"column {self.names[which]!r} of {source} has a key that {kind} does not hold: "
                f"{error}"
            ) from None
        encoded = plain.dictionary_encode(null_encoding="encode")
        known, spellings = self._values[which], self._spellings[which]
        values = encoded.dictionary.to_pylist()
        numbers = np.empty(len(values), np.int64)
        for i, value in enumerate(values):
            number = numbers[i] = known.setdefault(value, len(known))
            if number == len(spellings):
                spellings.append(value)
        return numbers[encoded.indices.to_numpy(zero_copy_only=False)]

    def _settle_kind(self, which: int, kind: Any, source: str) -> None:
        """Say what a column holds, or refuse its type."""
        types = import_optional("pyarrow").types
        plain = plain_type(kind)
        if types.is_null(plain):
            return
        checks = {
            "strings": (types.is_string, types.is_large_string, types.is_string_view),
            "integers": (types.is_integer,),
            "truth values": (types.is_boolean,),
            "dates": (types.is_date,),
        }
        found = next((k for k, are in checks.items() if any(is_(plain) for is_ in are)), None)
        name = self.names[which]
        if found is None:
            raise SourceError(
                f"column {name!r} of {source} is of type {kind}, which rows are not grouped by: "
                f"keys are {', '.join(KINDS)}; convert it to one of these, for instance times to "
                "dates, or fractions to integers"
            )
        if self.kinds[which] not in ("", found):
            raise SourceError(
                f"column {name!r} of {source} holds {found} where {self.kinds[which]} came before"
            )
        self.kinds[which] = found


def _combine(codes: list[np.ndarray], sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Number the combinations of codes (n,) below sizes; also return them, (n_found, n_codes)."""
    combined, examples = _densify(codes[0], sizes[0])
    for code, size in zip(codes[1:], sizes[1:], strict=True):
        combined, examples = _densify(combined * size + code, len(examples) * size)
    return combined, np.column_stack([code[examples] for code in codes])


def _densify(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the codes below a size that there are; also return where each is found."""
    if size > SPARSITY * len(codes):
        _, examples, dense = np.unique(codes, return_index=True, return_inverse=True)
        return dense, examples
    example = np.full(size, -1)
    example[codes] = np.arange(len(codes))
    found = np.flatnonzero(example >= 0)
    numbers = np.empty(size, np.int64)
    numbers[found] = np.arange(len(found))
    return numbers[codes], example[found]
