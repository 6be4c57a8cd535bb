"""CSV and its relatives: delimiters, long rows and cells, types that change on the way."""

import bz2
import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sketchlearn import CompressiveKMeans, Sketcher, SourceError, open_source
from sketchlearn.sources.record_files import BLOCK_BYTES, detect_delimiter

pytestmark = pytest.mark.slow

N = 4000
X = np.random.default_rng(0).normal(size=(N, 3)).round(6)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
SKETCHER = Sketcher(20, random_state=0).fit(FRAME)
WHOLE = SKETCHER.sketch(FRAME)


def rows_of(path, **options):
    """All rows of a file."""
    return np.concatenate([chunk.rows for chunk in open_source(path, **options).chunks()])


class TestDelimiters:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("text", ["plain", "with, comma", 'a "quoted"; one\nand a line'])
    def test_they_are_found(self, delimiter, text, tmp_path):
        path = tmp_path / "x.csv"
        FRAME.assign(t=text).to_csv(path, sep=delimiter, index=False)
        assert SKETCHER.sketch(path) == WHOLE

    @pytest.mark.parametrize("ending", ["tsv", "tab", "tsv.gz", "csv.bz2"])
    def test_endings(self, ending, tmp_path):
        path = tmp_path / f"x.{ending}"
        delimiter = "," if ending.startswith("csv") else "\t"
        # pandas knows the compression by the ending, too.
        FRAME.to_csv(path, sep=delimiter, index=False)
        assert SKETCHER.sketch(path) == WHOLE

    def test_one_column_has_none(self, tmp_path):
        path = tmp_path / "x.csv"
        FRAME[["a"]].to_csv(path, index=False)
        np.testing.assert_array_equal(rows_of(path), X[:, :1])
        path = tmp_path / "x.tsv"
        path.write_text("a,b;c\n1\n2\n")
        assert open_source(path).layout.names == ("a,b;c",)

    @pytest.mark.parametrize(
        ("start", "delimiter"),
        [
            ("a,b;c\n1,2;3\n", ","),
            ("a;b\n1,5;2,5\n", ";"),
            ("a\tb\n1,5\t2,5\n3\t4\n", "\t"),
            ("a,b\n", ","),
            ("a", ","),
            ("", ","),
            ('"a;b","c;d"\n1,2\n', ","),
            ("a,b\n1,2\n3", ","),
        ],
    )
    def test_by_the_beginning(self, start, delimiter):
        assert detect_delimiter(start) == delimiter

    def test_decimal_commas_are_refused_rather_than_misread(self, tmp_path):
        path = tmp_path / "x.csv"
        FRAME.to_csv(path, sep=";", decimal=",", index=False)
        with pytest.raises(SourceError, match=r"column 'a' of .* is of type string"):
            SKETCHER.sketch(path)
        reader = pa.csv.open_csv(
            path,
            parse_options=pa.csv.ParseOptions(delimiter=";"),
            convert_options=pa.csv.ConvertOptions(decimal_point=","),
        )
        assert SKETCHER.sketch(reader) == WHOLE


class TestLongRows:
    @pytest.mark.parametrize("delimiter", [",", ";"])
    def test_more_columns_than_a_block_holds(self, delimiter, tmp_path):
        rows = np.random.default_rng(0).normal(size=(7, 30_000))
        names = [f"c{i}" for i in range(rows.shape[1])]
        path = tmp_path / "x.csv"
        pd.DataFrame(rows, columns=names).to_csv(path, sep=delimiter, index=False)
        assert path.stat().st_size / 8 > 2 * BLOCK_BYTES
        np.testing.assert_array_equal(rows_of(path), rows)

    @pytest.mark.parametrize("cell", ["x" * 3 * BLOCK_BYTES, "line\n" * BLOCK_BYTES, 'say ""x""'])
    @pytest.mark.parametrize("row", [0, 1000, N - 1])
    def test_huge_cells_of_columns_that_are_not_read(self, cell, row, tmp_path):
        path = tmp_path / "x.csv"
        text = FRAME.to_csv(index=False).splitlines()
        lines = [f'"t",{text[0]}', *(f"s,{line}" for line in text[1:])]
        lines[1 + row] = f'"{cell}",{text[1 + row]}'
        path.write_text("\n".join(lines) + "\n")
        assert SKETCHER.sketch(path) == WHOLE
        assert SKETCHER.sketch(path, filter=[("a", ">", 0)]) == SKETCHER.sketch(FRAME[X[:, 0] > 0])

    def test_huge_lines_of_json(self, tmp_path):
        path = tmp_path / "x.jsonl"
        records = FRAME.assign(t="s").to_dict("records")
        records[2000]["t"] = "x" * 3 * BLOCK_BYTES
        path.write_text("\n".join(map(json.dumps, records)))
        assert SKETCHER.sketch(path) == WHOLE


class TestTypes:
    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    def test_fractions_after_whole_numbers(self, ending, tmp_path):
        rows = np.arange(200_000.0)
        rows[-1] = 0.5
        path = tmp_path / f"x.{ending}"
        lines = [f"{v:g}" if v == 0.5 else f"{v:.0f}" for v in rows]
        if ending == "csv":
            path.write_text("a\n" + "\n".join(lines))
        else:
            path.write_text("\n".join(f'{{"a": {line}}}' for line in lines))
        np.testing.assert_array_equal(rows_of(path)[:, 0], rows)
        np.testing.assert_array_equal(rows_of(path, filter=[("a", "<", 1)])[:, 0], [0, 0.5])

    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    @pytest.mark.parametrize("number", ["1", "1.5"])
    def test_what_a_cell_holds_is_in_no_message(self, ending, number, tmp_path):
        path = tmp_path / f"x.{ending}"
        lines = [number] * 100_000 + ["JOHN_DOE"]
        if ending == "csv":
            path.write_text("a,b\n" + "".join(f"{line},1\n" for line in lines))
        else:
            quoted = [*lines[:-1], '"JOHN_DOE"']
            path.write_text("\n".join(f'{{"a": {line}, "b": 1}}' for line in quoted))
        with pytest.raises(SourceError, match=r"cannot read .*x\.(csv: .*column 'a'|jsonl: )") as e:
            rows_of(path)
        assert "JOHN" not in str(e.value)
        (tmp_path / "y.csv").write_text("a,b\n1,2\nJOHN_DOE\n")
        with pytest.raises(SourceError, match="Expected 2 columns, got 1") as e:
            rows_of(tmp_path / "y.csv")
        assert "JOHN" not in str(e.value)

    def test_missing_values_are_told_from_text(self, tmp_path):
        path = tmp_path / "x.csv"
        for missing in ("", "NA", "nan", "NULL"):
            path.write_text(f"a,b\n1,2\n{missing},3\n")
            with pytest.raises(SourceError, match=r"column 'a' of .* no value \(null\) in row 1"):
                rows_of(path)
            kept = rows_of(path, filter=pa.compute.field("a").is_valid())
            np.testing.assert_array_equal(kept, [[1, 2]])

    def test_other_columns_that_lack_values_are_named_too(self, tmp_path):
        path = tmp_path / "x.csv"
        path.write_text("a,b,c\n1,2,3\n,3,4\n5,6,\n")
        with pytest.raises(SourceError, match=r"column 'a' .* in row 1, and 'c' none in others; "):
            rows_of(path)

    def test_decimal_commas_are_hinted_at(self, tmp_path):
        path = tmp_path / "x.csv"
        path.write_text('a,b\n"1,5",2\n"2,5",3\n')
        with pytest.raises(SourceError, match=r"column 'a' .* string; .*, with decimal points"):
            rows_of(path)

    def test_lists_in_json(self, tmp_path):
        path = tmp_path / "x.ndjson"
        records = [{"id": str(i), "v": row.tolist()} for i, row in enumerate(X)]
        path.write_text("\n".join(map(json.dumps, records)))
        np.testing.assert_array_equal(rows_of(path, columns=["v"]), X)

    @pytest.mark.parametrize(("open_", "end"), [(gzip.open, ".gz"), (bz2.open, ".bz2")])
    def test_compressed_json(self, open_, end, tmp_path):
        path = tmp_path / f"x.jsonl{end}"
        with open_(path, "wt") as file:
            FRAME.to_json(file, orient="records", lines=True)
        np.testing.assert_allclose(rows_of(path), X)

    def test_weights_and_reading_on(self, tmp_path):
        path = tmp_path / "x.tsv"
        FRAME.assign(w=2.0).to_csv(path, sep="\t", index=False)
        assert SKETCHER.sketch(path, "w") == SKETCHER.sketch(FRAME, np.full(N, 2.0))
        source = open_source(path, columns=["a", "b", "c"])
        rest = np.concatenate([c.rows for c in source.read(source.partitions[0], 777)])
        np.testing.assert_array_equal(rest, X[777:])


class TestColumnsThatAreNotRead:
    """What they hold further on is nobody's business, with a filter as without."""

    @pytest.mark.parametrize("start", ["", "7", "true", "2020-01-01"])
    @pytest.mark.parametrize("condition", [[("a", ">", 0)], pc.field("a") > 0])
    def test_with_a_filter(self, start, condition, tmp_path):
        path = tmp_path / "x.csv"
        n = 2 * BLOCK_BYTES // len("1.5,-2.5\n")
        lines = [f"1.5,-2.5,{start}\n", f"-1,2,{start}\n"] * (n // 2)
        path.write_text("a,b,other\n" + "".join(lines) + "0.5,3,some text\n")
        for source in (path, str(path)):
            rows = rows_of(source, columns=["a", "b"], filter=condition)
            assert rows.shape == (n // 2 + 1, 2)
            assert rows[-1].tolist() == [0.5, 3.0]

    def test_what_a_filter_needs_is_read(self, tmp_path):
        names = [f"c{i}" for i in range(40)]
        frame = pd.DataFrame(np.arange(4000).reshape(100, 40) % 7, columns=names)
        frame.to_csv(tmp_path / "x.csv", index=False)
        kept = (frame.c3 > 2) & (frame.c31 < 5) & frame.c17.isin([1, 2, 3])
        condition = (pc.field("c3") > 2) & (pc.field("c31") < 5) & pc.field("c17").isin([1, 2, 3])
        rows = rows_of(tmp_path / "x.csv", columns=["c0"], filter=condition)
        assert rows[:, 0].tolist() == frame.c0[kept].tolist()

    def test_a_filter_by_what_is_not_there(self, tmp_path):
        FRAME.to_csv(tmp_path / "x.csv", index=False)
        table = pa.Table.from_pandas(FRAME)
        for data in (tmp_path / "x.csv", table, iter([table])):
            with pytest.raises(SourceError, match=r"No match for .*zz.*columns are \['a', 'b'"):
                SKETCHER.sketch(data, filter=[("zz", ">", 1)])
            with pytest.raises(SourceError, match=r"cannot filter by .*a > "):
                SKETCHER.sketch(table, filter=[("a", ">", "text")])


class TestLargeIntegers:
    """Text tells them from fractions, where float64 does not: alone, late, beside fractions."""

    @pytest.mark.parametrize("ending", ["csv", "jsonl", "csv.gz"])
    @pytest.mark.parametrize("start", ["1", "0.5", "2", "1e300"])
    @pytest.mark.parametrize("large", [2**53 + 1, -(2**53) - 1, 2**63 + 5, 2**64 + 1, 10**25])
    def test_they_are_refused(self, ending, start, large, tmp_path):
        path = self.written(tmp_path / f"x.{ending}", [*[start] * 9, str(large), "7"])
        with pytest.raises(SourceError, match=rf"'v' of .*, in (row 9|line 10), holds {large}: "):
            rows_of(path)

    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    def test_beyond_a_block(self, ending, tmp_path):
        values = ["0.5"] * (BLOCK_BYTES // 4) + [str(2**53 + 1)]
        path = self.written(tmp_path / f"x.{ending}", values)
        with pytest.raises(SourceError, match=rf"'v' of .* holds {2**53 + 1}"):
            rows_of(path)
        columns = {"columns": ["w"]}
        assert len(rows_of(path, **columns)) == len(values)

    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    def test_fractions_as_large_are_read(self, ending, tmp_path):
        n = BLOCK_BYTES // 4
        values = ["1", "2.5", *["-1"] * n, "1e20", "-6.02e+23", "9007199254740994.0", str(2**53)]
        values += ["0.1"] * n
        path = self.written(tmp_path / f"x.{ending}", values)
        assert rows_of(path, columns=["v"])[:, 0].tolist() == [float(value) for value in values]
        assert (rows_of(path, columns=["w"]) == 1e18).all()

    def test_gaps_stay_gaps(self, tmp_path):
        for gap in ("", "NA", "null", "nan"):
            path = self.written(tmp_path / "x.csv", ["1e20", "0.5", gap, " 2 "])
            with pytest.raises(SourceError, match=r"'v' of .* has no value .null. in row 2"):
                rows_of(path)
            kept = rows_of(path, filter=pc.field("v").is_valid())
            assert kept[:, 0].tolist() == [1e20, 0.5, 2.0]

    def test_lists(self, tmp_path):
        lines = [{"v": [1, 0.5]}, {"v": [2**53, 2**53 + 1]}]
        path = tmp_path / "x.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
        with pytest.raises(SourceError, match=rf"'v' of .*, in line 2, holds {2**53 + 1}"):
            rows_of(path)

    @staticmethod
    def written(path, values):
        """A file with a column v of some texts, and one w of fractions beyond 2^53."""
        if path.name.endswith("jsonl"):
            text = "".join(f'{{"w": 1e+18, "v": {value}}}\n' for value in values)
        else:
            text = "v,w\n" + "".join(f"{value},1e+18\n" for value in values)
        data = text.encode()
        path.write_bytes(gzip.compress(data) if path.name.endswith("gz") else data)
        return path


class TestTexts:
    def test_the_remedy_for_a_column_of_texts_is_one_that_an_estimator_takes(self, tmp_path):
        path = tmp_path / "x.csv"
        FRAME.assign(t="one").to_csv(path, index=False)
        model = CompressiveKMeans(2, random_state=0)
        with pytest.raises(SourceError, match=r"column 't'.* choose the others by ") as caught:
            model.fit(path)
        remedy = str(caught.value).split("choose the others by ")[1]
        called = remedy.replace("...", "path", 1).replace("...", "'a', 'b', 'c'")
        chosen = eval(called, {"open_source": open_source, "path": path})
        assert model.fit(chosen).n_samples_seen_ == N
