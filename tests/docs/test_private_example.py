"""The example of three hospitals that release a private sketch each."""

import pytest

from docs.examples import plot_private_clusters as example


@pytest.mark.slow
def test_an_analyst_learns_of_the_sum_what_all_rows_tell(tmp_path, capsys):
    path = tmp_path / "figures" / "private.png"
    example.main(["--epsilon", "4", "--figure", str(path)])
    printed = capsys.readouterr().out
    assert "in 3 releases" in printed
    assert path.read_bytes().startswith(b"\x89PNG")
    (line,) = [each for each in printed.splitlines() if each.startswith("k-means")]
    from_release, from_rows = map(float, line.split()[-2:])
    assert from_rows <= from_release < 1.05 * from_rows
