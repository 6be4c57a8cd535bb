"""The examples of unlearning and of one-round federated k-means."""

import pytest

from docs.examples import plot_federated, plot_unlearning

pytestmark = pytest.mark.slow


def test_forgetting_leaves_the_bytes_of_never_having_had_the_rows(tmp_path, capsys):
    path = tmp_path / "figures" / "unlearning.png"
    plot_unlearning.main(["--n-samples", "6000", "--own", "300", "--figure", str(path)])
    assert "bytes that differ from never having had them" in (printed := capsys.readouterr().out)
    assert " 0 of " in printed
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.quality
def test_clients_sketches_make_the_pooled_one_however_different_they_are(tmp_path, capsys):
    path = tmp_path / "federated.png"
    small = ["--clients", "10", "--rows", "200", "--seeds", "1", "--figure", str(path)]
    plot_federated.main(small)
    lines = capsys.readouterr().out.splitlines()[1:5]
    assert all("True" in line for line in lines)
    assert path.read_bytes().startswith(b"\x89PNG")
