"""What Dask collections may hold, how it is chosen, weighed and refused: as in memory, exactly."""

import inspect

import dask
import dask.array as da
import dask.bag as bag
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import scipy.sparse
from sklearn.base import clone

from sketchlearn import Sketcher
from sketchlearn.distributed import dask as sketched

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(600, 3))
WEIGHTS = RNG.integers(0, 5, size=600) / 4
NAMES = ["a", "b", "c"]
TABLE = pd.DataFrame(ROWS, columns=NAMES)
POSITIVE = ROWS[:, 0] > 0
PLAIN = Sketcher(n_frequencies=30, random_state=0).fit(ROWS)
NAMED = Sketcher(n_frequencies=30, random_state=0).fit(TABLE)
WHOLE = PLAIN.sketch(ROWS)
WEIGHTED = PLAIN.sketch(ROWS, WEIGHTS)
# Each kind of sequence of weights, by how it comes from an array.
KINDS_OF_WEIGHTS = {
    "array": lambda w: w,
    "list": lambda w: w.tolist(),
    "series": pd.Series,
    "Dask array, cut otherwise": lambda w: da.from_array(w, chunks=77),
    "Dask array, of unknown lengths": lambda w: (lambda x: x[x > -1])(da.from_array(w, 150)),
    "Dask array, unknown and otherwise": lambda w: (lambda x: x[x > -1])(da.from_array(w, 91)),
    "Dask series": lambda w: dd.from_pandas(pd.Series(w), npartitions=4),
    "Dask series, cut otherwise": lambda w: dd.from_pandas(pd.Series(w), npartitions=3),
}


@pytest.fixture(autouse=True)
def scheduler():
    with dask.config.set(scheduler="synchronous"):
        yield


def array(rows=ROWS):
    return da.from_array(rows, (150, 2))


def of_unknown_lengths():
    rows = array()
    return rows[rows[:, 0] > -99]


def frame(table=TABLE, n=4):
    return dd.from_pandas(table.assign(w=WEIGHTS, text="x"), npartitions=n)


def partitions(tables, meta=TABLE):
    """A data frame of just these partitions, whatever they hold."""
    delayed = [dask.delayed(table) for table in tables]
    return dd.from_delayed(delayed, meta=meta.iloc[:0], verify_meta=False)


def mappings():
    elements = TABLE.assign(w=WEIGHTS)[["c", "w", "a", "b"]].to_dict("records")
    return bag.from_sequence(elements, npartitions=4)


COLLECTIONS = {
    "array": array,
    "array of unknown lengths": of_unknown_lengths,
    "frame": frame,
    "bag of rows": lambda: bag.from_sequence(list(ROWS), npartitions=4),
    "bag of arrays": lambda: bag.from_sequence(np.split(ROWS, 12), npartitions=4),
    "bag of mappings": mappings,
}


class TestWeights:
    @pytest.mark.parametrize("weights", KINDS_OF_WEIGHTS)
    @pytest.mark.parametrize("kind", COLLECTIONS)
    def test_one_a_row(self, kind, weights):
        collection, sample_weight = COLLECTIONS[kind](), KINDS_OF_WEIGHTS[weights](WEIGHTS)
        columns = None if kind.startswith("array") or "row" in kind or "arrays" in kind else NAMES
        got = sketched.sketch(PLAIN, collection, columns=columns, sample_weight=sample_weight)
        assert got == WEIGHTED

    @pytest.mark.parametrize("collection", [frame, mappings])
    def test_by_name(self, collection):
        assert sketched.sketch(NAMED, collection(), sample_weight="w") == WEIGHTED

    def test_a_column_of_weights_is_no_feature(self):
        numbers = frame()[["w", *NAMES]]
        assert sketched.sketch(PLAIN, numbers, sample_weight="w") == WEIGHTED
        fitted = sketched.fit(Sketcher(30, random_state=0), numbers, sample_weight="w")
        assert list(fitted.feature_names_in_) == NAMES

    @pytest.mark.parametrize("collection", [array, of_unknown_lengths])
    def test_a_number_is_the_weight_of_every_row(self, collection):
        got = sketched.sketch(PLAIN, collection(), sample_weight=0.5)
        assert got == PLAIN.sketch(ROWS, 0.5)

    def test_a_computed_series(self):
        rows = frame()
        got = sketched.sketch(NAMED, rows, sample_weight=2 * rows.w)
        assert got == PLAIN.sketch(ROWS, 2 * WEIGHTS)

    def test_blocks_of_weight_zero(self):
        weights = np.where(np.arange(600) < 400, 0.0, 1.0)
        got = sketched.sketch(PLAIN, array(), sample_weight=weights)
        assert got == PLAIN.sketch(ROWS, weights)

    @pytest.mark.parametrize(
        ("weights", "error", "message"),
        [
            (-WEIGHTS, ValueError, r"block \d of .* must not be negative, got -"),
            (WEIGHTS * np.nan, ValueError, r"block \d of .* must be finite"),
            (0 * WEIGHTS, ValueError, "must have a positive entry, got only zeros"),
            (WEIGHTS * 2.0**-20, ValueError, r"at least 2\*\*-10 on average"),
            (WEIGHTS * 2.0**22, ValueError, r"must not exceed 2\*\*20"),
            (WEIGHTS[1:], ValueError, r"shape \(600,\), one weight a row, got \(599,\)"),
            (WEIGHTS[:, None], ValueError, r"one-dimensional, got shape \(600, 1\)"),
            (WEIGHTS.astype(str), TypeError, "weights must hold real numbers, got <U"),
            (np.ma.masked_less(WEIGHTS, 0.5), ValueError, "the weights have a masked entry"),
            (bag.from_sequence([1.0]), TypeError, "Dask array or series, got dask.bag"),
            ("w", TypeError, "an array has no named columns to filter or weigh"),
        ],
    )
    def test_bad_ones_are_named(self, weights, error, message):
        with pytest.raises(error, match=message):
            sketched.sketch(PLAIN, array(), sample_weight=weights)

    def test_those_of_other_rows_are_refused(self):
        rows = of_unknown_lengths()
        short = da.from_array(WEIGHTS, chunks=150)
        with pytest.raises(ValueError, match=r"block \d of .* one weight a row, got shape"):
            sketched.sketch(PLAIN, rows, sample_weight=short[short > 0])
        strange = dd.from_pandas(pd.Series(WEIGHTS, index=np.arange(600) + 7), npartitions=4)
        with pytest.raises(ValueError, match=r"block \d of .* has another index than the rows"):
            sketched.sketch(NAMED, frame(), sample_weight=strange)

    def test_a_total_beyond_all_bounds_is_refused(self):
        rows = da.from_array(np.repeat(ROWS, 2_000, axis=0), (300_000, 3))
        with pytest.raises(ValueError, match=r"total weight must stay below 2\*\*40"):
            sketched.sketch(PLAIN, rows, sample_weight=2.0**20)

    @pytest.mark.parametrize("kind", ["array", "frame", "bag of mappings"])
    def test_fit_weighs_as_in_memory(self, kind):
        columns = None if kind == "array" else NAMES
        sample_weight = WEIGHTS if kind == "array" else "w"
        got = sketched.fit(
            Sketcher(30, random_state=0),
            COLLECTIONS[kind](),
            columns=columns,
            sample_weight=sample_weight,
        )
        expected = Sketcher(30, random_state=0).fit(ROWS, sample_weight=WEIGHTS)
        assert got.operator_.fingerprint == expected.operator_.fingerprint
        assert (got.pilot_inclusion_probability_ == 1.0).all()

    @pytest.mark.parametrize("factor", [1e-9, 2.0**30, 1e12])
    def test_a_common_factor_is_no_matter_to_fit(self, factor):
        weights = factor * WEIGHTS
        got = sketched.fit(Sketcher(30, random_state=0), array(), sample_weight=weights)
        expected = Sketcher(30, random_state=0).fit(ROWS, sample_weight=weights)
        assert got.operator_.fingerprint == expected.operator_.fingerprint

    def test_beside_an_empty_block_there_must_be_none(self):
        rows = partitions([TABLE.iloc[:0], TABLE])
        weights = da.from_array(np.ones(2), chunks=1)
        with pytest.raises(
            ValueError, match=r"one weight a row, got shape \(1,\) for (0|600) rows"
        ):
            sketched.sketch(NAMED, rows, sample_weight=weights)


class TestFilter:
    @pytest.mark.parametrize(
        "chosen",
        [
            [("a", ">", 0)],
            [[("a", ">", 0), ("text", "==", "x")]],
            pc.field("a") > 0,
        ],
    )
    def test_frames(self, chosen):
        assert sketched.sketch(NAMED, frame(), filter=chosen) == PLAIN.sketch(ROWS[POSITIVE])
        for weights in ("w", WEIGHTS):
            got = sketched.sketch(NAMED, frame(), filter=chosen, sample_weight=weights)
            assert got == PLAIN.sketch(ROWS[POSITIVE], WEIGHTS[POSITIVE])
        fitted = sketched.fit(Sketcher(30, random_state=0), frame(), columns=NAMES, filter=chosen)
        expected = Sketcher(30, random_state=0).fit(ROWS[POSITIVE])
        assert fitted.operator_.fingerprint == expected.operator_.fingerprint

    def test_bags_of_mappings(self):
        got = sketched.sketch(NAMED, mappings(), filter=[("a", ">", 0)], sample_weight="w")
        assert got == PLAIN.sketch(ROWS[POSITIVE], WEIGHTS[POSITIVE])

    @pytest.mark.parametrize(
        ("collection", "chosen", "error", "message"),
        [
            (array, [("a", ">", 0)], TypeError, "an array has no named columns to filter"),
            (frame, "a > 0", TypeError, "filter must be an expression of pyarrow.compute or a"),
            (frame, [("z", ">", 0)], ValueError, "the columns 'z' are missing; the data frame"),
            (frame, pc.field("z") > 0, ValueError, r"block \d of .* No match for .*z"),
            (frame, pc.field("text") > 0, ValueError, r"block \d of .* no kernel matching"),
            (
                *(COLLECTIONS["bag of rows"], [("a", ">", 0)], ValueError),
                r"block \d of .* have no columns to filter",
            ),
        ],
    )
    def test_bad_ones_are_named(self, collection, chosen, error, message):
        sketcher = PLAIN if collection is array else NAMED
        with pytest.raises(error, match=message):
            sketched.sketch(sketcher, collection(), filter=chosen)

    def test_the_advice_for_missing_values_works(self):
        table = TABLE.where(TABLE < 1)
        rows = dd.from_pandas(table, npartitions=3)
        with pytest.raises(ValueError, match=r"filter=pyarrow.compute.field\('a'\).is_valid\(\)"):
            sketched.sketch(NAMED, rows)
        there = pc.field("a").is_valid() & pc.field("b").is_valid() & pc.field("c").is_valid()
        expected = PLAIN.sketch(ROWS[(ROWS < 1).all(axis=1)])
        assert sketched.sketch(NAMED, rows, filter=there) == expected


class TestNames:
    def test_another_order_is_no_matter(self):
        rows = frame()[["text", "c", "w", "b", "a"]]
        assert sketched.sketch(NAMED, rows) == WHOLE
        assert sketched.sketch(NAMED, rows, columns=["c", "b", "a"]) == WHOLE
        assert sketched.sketch(PLAIN, rows, columns=TABLE.columns) == WHOLE
        assert sketched.sketch(PLAIN, rows, columns=NAMES) == WHOLE

    @pytest.mark.parametrize("sketcher", [PLAIN, NAMED])
    def test_partitions_in_other_orders_empty_or_without_columns(self, sketcher):
        parts = [
            TABLE.iloc[i : i + 150][list(order)]
            for i, order in zip(range(0, 600, 150), ["abc", "cba", "bca", "bac"], strict=True)
        ]
        assert sketched.sketch(sketcher, partitions(parts)) == WHOLE
        parts = [pd.DataFrame(), *parts[:2], TABLE.iloc[:0], *parts[2:]]
        assert sketched.sketch(sketcher, partitions(parts)) == WHOLE
        wider = partitions(parts, TABLE.assign(z=1.0))
        assert sketched.sketch(sketcher, wider, columns=NAMES) == WHOLE

    def test_a_partition_without_a_column_is_refused(self):
        for lacking in (TABLE[["a", "c"]], pd.DataFrame(index=range(3))):
            with pytest.raises(ValueError, match=r"block 1 of .* no column.* 'b'"):
                sketched.sketch(NAMED, partitions([TABLE, lacking]))
            rows = partitions([TABLE, lacking], TABLE.assign(z=1.0))
            with pytest.raises(ValueError, match="a partition of the data frame lacks columns"):
                sketched.sketch(NAMED, rows[rows["a"] > 0])

    @pytest.mark.parametrize(
        "as_element", [lambda t: t, lambda t: pa.Table.from_pandas(t, preserve_index=False)]
    )
    def test_bags_of_frames(self, as_element):
        parts = [TABLE.iloc[:250], TABLE.iloc[250:250], TABLE.iloc[250:][["c", "a", "b"]]]
        rows = bag.from_sequence([as_element(part) for part in parts], npartitions=2)
        assert sketched.sketch(NAMED, rows) == WHOLE
        assert sketched.sketch(PLAIN, rows, columns=NAMES) == WHOLE
        last_first = bag.from_sequence([as_element(part) for part in parts[1:]], npartitions=1)
        fitted = sketched.fit(Sketcher(30, random_state=0), last_first, columns=NAMES)
        assert list(fitted.feature_names_in_) == NAMES
        with pytest.raises(ValueError, match="bag of data frames needs columns"):
            sketched.sketch(PLAIN, rows)

    def test_bags_of_series(self):
        rows = [TABLE.iloc[i][["b", "c", "a"]] for i in range(20)]
        got = sketched.sketch(NAMED, bag.from_sequence(rows, npartitions=2))
        assert got == PLAIN.sketch(ROWS[:20])

    def test_rows_without_names_are_taken_in_order(self):
        with pytest.warns(UserWarning, match="array has no feature names"):
            assert sketched.sketch(NAMED, array()) == WHOLE
        assert sketched.sketch(NAMED, COLLECTIONS["bag of rows"]()) == WHOLE

    def test_columns_by_index(self):
        backwards = ROWS[:, ::-1].copy()
        numbered = dd.from_pandas(pd.DataFrame(backwards), npartitions=3)
        for rows in (array(backwards), bag.from_sequence(list(backwards), npartitions=3), numbered):
            assert sketched.sketch(PLAIN, rows, columns=[2, 1, 0]) == WHOLE
        fitted = sketched.fit(Sketcher(30, random_state=0), numbered, columns=[2, 1, 0])
        assert fitted.operator_.fingerprint == PLAIN.operator_.fingerprint
        assert not hasattr(fitted, "feature_names_in_")

    def test_labels_of_two_levels_are_taken_in_order(self):
        levels = pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")])
        rows = dd.from_pandas(TABLE.set_axis(levels, axis=1), npartitions=3)
        assert sketched.sketch(PLAIN, rows) == WHOLE

    def test_an_index_is_no_feature(self):
        stored = TABLE.assign(__null_dask_index__=range(600), __index_level_0__=range(600))
        named = TABLE.assign(i=range(600)).set_index("i")
        for table in (stored, named):
            rows = dd.from_pandas(table, npartitions=3)
            assert sketched.sketch(PLAIN, rows) == WHOLE
            fitted = sketched.fit(Sketcher(30, random_state=0), rows)
            assert list(fitted.feature_names_in_) == NAMES

    def test_an_index_that_was_written_as_a_column_is_warned_of(self):
        rows = dd.from_pandas(TABLE.reset_index(names="Unnamed: 0"), npartitions=3)
        with pytest.warns(UserWarning, match=r"first column, 'Unnamed: 0', .*columns=\[...\]"):
            sketched.fit(Sketcher(30, random_state=0), rows)
        assert sketched.sketch(PLAIN, rows, columns=NAMES) == WHOLE

    @pytest.mark.parametrize(
        ("sketcher", "columns", "error", "message"),
        [
            (NAMED, ["a", "b"], ValueError, "all that the sketcher was fitted on; 'c' are missing"),
            (PLAIN, ["a", "b", "z"], ValueError, "the columns 'z' are missing; the data frame has"),
            (PLAIN, ["a", "b", "a"], ValueError, "the columns 'a' were asked for twice"),
            (PLAIN, ["a", "b"], ValueError, "X has 2 features, but Sketcher is expecting 3"),
            (PLAIN, [], ValueError, "there is no column to read"),
            (PLAIN, [0, 1, 2], TypeError, "columns must be names, got"),
            (PLAIN, ["a", "b", "text"], TypeError, "column 'text' must be numeric, got str"),
        ],
    )
    def test_bad_choices_are_named(self, sketcher, columns, error, message):
        with pytest.raises(error, match=message):
            sketched.sketch(sketcher, frame(), columns=columns)

    def test_bad_choices_of_arrays_are_named(self):
        with pytest.raises(ValueError, match="there is no column 3: the array has 3 columns"):
            sketched.sketch(PLAIN, array(), columns=[0, 1, 3])
        with pytest.raises(ValueError, match=r"block \d of .* have no names, choose by index"):
            sketched.sketch(PLAIN, COLLECTIONS["bag of rows"](), columns=NAMES)

    def test_labels_of_two_kinds_are_refused(self):
        rows = dd.from_pandas(TABLE.rename(columns={"a": 0}), npartitions=1)
        with pytest.raises(TypeError, match="column names must all be strings, or none"):
            sketched.sketch(PLAIN, rows)


class TestLists:
    """Columns of lists, which make one feature an entry."""

    LISTS = TABLE.assign(v=list(ROWS))[["v", "a"]]
    FEATURES = ("v[0]", "v[1]", "v[2]")

    def as_arrow(self):
        lists = self.LISTS.assign(v=self.LISTS.v.astype(pd.ArrowDtype(pa.list_(pa.float64()))))
        return dd.from_pandas(lists, npartitions=3)

    def as_objects(self):
        with dask.config.set({"dataframe.convert-string": False}):
            return dd.from_pandas(self.LISTS, npartitions=3)

    def as_mappings(self):
        return bag.from_sequence(self.LISTS.to_dict("records"), npartitions=3)

    @pytest.mark.parametrize("kind", ["as_arrow", "as_objects", "as_mappings"])
    def test_make_features(self, kind):
        rows = getattr(self, kind)()
        with dask.config.set({"dataframe.convert-string": False}):
            fitted = sketched.fit(Sketcher(30, random_state=0), rows, columns=["v"])
            assert list(fitted.feature_names_in_) == list(self.FEATURES)
            assert fitted.operator_.fingerprint == PLAIN.operator_.fingerprint
            assert sketched.sketch(fitted, rows) == WHOLE
            assert sketched.sketch(fitted, rows, columns="v") == WHOLE
            got = sketched.sketch(PLAIN, rows, columns=["v"], filter=[("a", ">", 0)])
        assert got == PLAIN.sketch(ROWS[POSITIVE])

    def test_of_other_lengths_are_refused(self):
        shorter = self.LISTS.assign(v=[row[:2] for row in ROWS])
        with dask.config.set({"dataframe.convert-string": False}):
            rows = partitions([self.LISTS, shorter], self.LISTS)
            with pytest.raises(ValueError, match=r"block 1 of .* X has 2 features, but Sketcher"):
                sketched.sketch(PLAIN, rows[["v"]])
            with pytest.raises(ValueError, match="partitions differ: columns 'v"):
                sketched.fit(Sketcher(30), rows[["v"]])

    def test_that_became_texts_are_refused_with_the_remedy(self):
        rows = dd.from_pandas(self.LISTS, npartitions=3)
        with pytest.raises(TypeError, match=r"dataframe\.convert-string=False"):
            sketched.sketch(PLAIN, rows, columns=["v"])


TIMES = np.array([["2026-01-01", "2026-01-02", "NaT"]] * 4, dtype="datetime64[ns]")


class TestRefusals:
    @pytest.mark.parametrize(
        ("rows", "error", "message"),
        [
            (da.from_array(TIMES, 2), TypeError, r"real numbers, got datetime64\[ns\]"),
            (da.from_array(TIMES - TIMES[0, 0], 2), TypeError, "real numbers, got timedelta64"),
            (array() * 1j, TypeError, "real numbers, got complex128"),
            (da.ma.masked_greater(array(), 2), ValueError, r"block \d of .* have a masked entry"),
            (da.full((4, 3), 2**53 + 1, chunks=2), ValueError, r"block \d of .* above 2\*\*53"),
            (da.full((4, 3), np.inf, chunks=2), ValueError, r"block \d of .* infinity .*Imputer"),
            (
                *(array().rechunk((150, 3)).map_blocks(scipy.sparse.csr_matrix), TypeError),
                r"block \d of .* are sparse; make them dense",
            ),
            (
                *(dd.from_pandas(TABLE.assign(b=pd.Timestamp("2026-01-01"))), TypeError),
                "column 'b' must be numeric, got datetime64",
            ),
            (
                *(dd.from_pandas(TABLE.assign(b=pd.Timedelta("1s"))), TypeError),
                "column 'b' must be numeric, got timedelta64",
            ),
            (dd.from_pandas(TABLE * 1j), TypeError, "column 'a' must be numeric, got complex128"),
            (
                *(dd.from_pandas(TABLE.astype({"c": "category"})), TypeError),
                "column 'c' must be numeric, got category",
            ),
            (
                *(dd.from_pandas(TABLE.assign(c=2**53 + 1)), ValueError),
                r"block \d of .* column 'c' .* above 2\*\*53 are alike",
            ),
            (
                *(dd.from_pandas(TABLE.assign(c=pd.array([None] * 600, "Int64"))), ValueError),
                r"block \d of .* column 'c' .* no value .*Imputer",
            ),
            (
                *(
                    bag.from_sequence(list(np.ma.masked_greater(ROWS, 2)), npartitions=1),
                    ValueError,
                ),
                "block 0 of .* have a masked entry",
            ),
            (
                *(bag.from_sequence([np.ma.masked_greater(ROWS, 2)], npartitions=1), ValueError),
                "block 0 of .* have a masked entry",
            ),
            (
                *(bag.from_sequence([[2**53 + 1, 0.5, 1.0]] * 9, npartitions=1), ValueError),
                r"block 0 of .* above 2\*\*53",
            ),
            (
                *(
                    bag.from_sequence([[np.timedelta64(1, "s"), 0.5, 1.0]], npartitions=1),
                    TypeError,
                ),
                "block 0 of .* must hold real numbers, got timedelta64",
            ),
            (
                bag.from_sequence([None, *ROWS], npartitions=1),
                ValueError,
                "block 0 of .* inhomogeneous",
            ),
            (
                bag.from_sequence(["1", "2"], npartitions=1),
                TypeError,
                "block 0 of .* must hold real numbers, got <U1",
            ),
            (
                bag.from_sequence(TIMES.astype("datetime64[us]").tolist(), npartitions=1),
                TypeError,
                "block 0 of ",
            ),
            (
                bag.from_sequence([{"a": 1.0, "c": 2}], npartitions=1),
                ValueError,
                "block 0 of .* has no 'b'",
            ),
            (
                *(bag.from_sequence([{"a": 1.0, "b": None, "c": 2}], npartitions=1), ValueError),
                "block 0 of .* column 'b' .* no value",
            ),
        ],
    )
    @pytest.mark.parametrize("how", ["sketch", "fit"])
    def test_what_holds_no_numbers(self, how, rows, error, message):
        columns = NAMES if isinstance(rows, bag.Bag) and "a" in str(rows.take(1)[0]) else None
        function = {"sketch": sketched.sketch, "fit": sketched.fit}[how]
        with pytest.raises(error, match=message):
            function(clone(PLAIN) if how == "fit" else PLAIN, rows, columns=columns)

    def test_an_error_of_the_users_own_is_theirs(self):
        def failing(block):
            raise KeyError("mine")

        for rows in (
            COLLECTIONS["bag of rows"]().map(failing),
            array().map_blocks(failing, meta=ROWS),
        ):
            with pytest.raises(KeyError, match="mine"):
                sketched.sketch(PLAIN, rows)

    def test_a_mask_that_hides_nothing_is_no_matter(self):
        rows = da.ma.masked_greater(array(), 1e9)
        assert sketched.sketch(PLAIN, rows) == WHOLE

    def test_bad_rows_of_weight_zero_are_refused_wherever_they_are_cut(self):
        rows = np.where(np.arange(600)[:, None] == 3, np.nan, ROWS)
        weights = np.where(np.arange(600) < 150, 0.0, 1.0)
        for chunks in (600, 150):
            with pytest.raises(ValueError, match=r"block 0 of .* NaN .* row 3, column 0"):
                sketched.sketch(PLAIN, da.from_array(rows, (chunks, 3)), sample_weight=weights)


class TestWords:
    @pytest.mark.parametrize("function", [sketched.sketch, sketched.fit])
    @pytest.mark.parametrize("word", ["weights", "sample_weigth", "column", "filters", "n_jobs"])
    def test_that_are_unknown_are_refused(self, function, word):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{word}'; expected"):
            function(PLAIN, array(), **{word: None})

    def test_without_effect_are_refused(self):
        with pytest.raises(TypeError, match=r"retries has no effect without a distributed\.Client"):
            sketched.sketch(PLAIN, array(), retries=3)

    def test_both_functions_take_the_same(self):
        words = [list(inspect.signature(f).parameters) for f in (sketched.sketch, sketched.fit)]
        assert words[0] == words[1]


class TestPilot:
    @pytest.mark.parametrize("choice", [{"n_clusters": "many"}, {"scale": -1}])
    def test_bad_parameters_are_named_before_any_row_is_read(self, choice):
        def unread(block):
            raise AssertionError("read")

        with pytest.raises((TypeError, ValueError), match=next(iter(choice))):
            sketched.fit(Sketcher(**choice), array().map_blocks(unread, meta=ROWS))

    def test_a_chance_counts_all_rows(self):
        """A row's chance to be in the pilot: the inverses of a sample's estimate the number."""
        rows = da.random.default_rng(0).normal(size=(400_000, 2), chunks=(2_000, 2))
        fitted = sketched.fit(Sketcher(10, random_state=0), rows)
        # 5,000 draws with chances that differ by a factor of ten or so.
        assert (1 / fitted.pilot_inclusion_probability_).sum() == pytest.approx(400_000, rel=0.1)
        half = rows[rows[:, 0] > 0]
        fitted = sketched.fit(Sketcher(10, random_state=0), half)
        assert (1 / fitted.pilot_inclusion_probability_).sum() == pytest.approx(200_000, rel=0.1)

    def test_rows_of_weight_zero_do_not_count(self):
        rows = da.random.default_rng(0).normal(size=(300_000, 1), chunks=(30_000, 1))
        weights = (da.arange(300_000, chunks=30_000) % 3 == 0) * 1.0
        fitted = sketched.fit(Sketcher(10, random_state=0), rows, sample_weight=weights)
        assert (1 / fitted.pilot_inclusion_probability_).sum() == pytest.approx(100_000, rel=0.1)
