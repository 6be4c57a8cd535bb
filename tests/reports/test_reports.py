"""Pages about sketches and models: what they say, that they need nothing else, and their looks."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from sketchlearn import (
    CompressiveClassifier,
    CompressiveGaussianMixture,
    CompressiveKMeans,
    CompressivePCA,
    EmptySketchError,
    Sketcher,
    compare,
)
from sketchlearn.privacy import release
from sketchlearn.reports import make_page

pytestmark = pytest.mark.slow

ODD = "<script>alert(1)$^$</script>"
VOID = {"meta", "br", "hr", "img"}


class Page(HTMLParser):
    """Tags that are open, ids and references that were met, and text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.uses, self.text, self.tags = [], [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "xlink:href", "src"):
                self.uses.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def blobs(n=6000):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) + 12.0 * rng.integers(0, 3, size=(n, 1))


@pytest.fixture(scope="module")
def contents():
    frame = pd.DataFrame(blobs(), columns=[ODD, "weight & size"])
    sketcher = Sketcher(80, n_clusters=3, random_state=0).fit(frame)
    one, other = sketcher.sketch(frame[:3000]), sketcher.sketch(frame[3000:])
    boxed = Sketcher.from_domain(
        [-20, -20], [50, 50], n_clusters=3, clip=True, random_state=0, feature_names=["a", "b"]
    )
    wide = np.random.default_rng(0).normal(size=(500, 4))
    return {
        "monday": one,
        "tuesday": other,
        "km": CompressiveKMeans(3, random_state=0).fit_sketch(one),
        "gmm": CompressiveGaussianMixture(3, random_state=0).fit_sketch(one),
        "private": release(
            boxed.sketch(pd.DataFrame(blobs(), columns=["a", "b"])), epsilon=1.0, delta=1e-6
        ),
        "pca": CompressivePCA(2).fit(wide),
    }


@pytest.fixture(scope="module")
def page(contents):
    return make_page(contents, "A week")


def test_a_page_is_whole_and_needs_nothing_else(page):
    parsed = Page(page)
    assert "script" not in parsed.tags
    assert "link" not in parsed.tags
    # References stay within the page, and each leads somewhere.
    assert all(use.startswith("#") for use in parsed.uses)
    assert {use[1:] for use in parsed.uses} <= {*parsed.ids}
    assert len(parsed.ids) == len({*parsed.ids})
    addresses = {*re.findall(r"https?://[^\s\"'<)]+", page)}
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "default-src 'none'" in page


def test_names_are_shown_as_they_are(page):
    assert ODD not in page
    assert ODD in Page(page).text


def test_a_model_s_section_has_its_verdict_and_its_centroids(contents, page):
    text = " ".join(Page(page).text)
    for name in ("km", "gmm"):
        report = contents[name].report()
        assert f"{report.title}: {report.verdict}" in text
        assert all(reason in text for reason in report.reasons)
    for center in contents["km"].cluster_centers_.ravel():
        assert f"{center:.5g}" in text


def test_sketches_of_one_operator_are_compared(contents, page):
    found = compare(contents["monday"], contents["tuesday"])
    text = " ".join(Page(page).text)
    assert "monday → tuesday" in text
    assert f"{found.ratio:.5g}" in text
    assert "→ private" not in text


def test_a_private_sketch_says_what_protects_it_and_shows_nothing_exact(contents, page):
    private = contents["private"]
    section = page[page.index("private: a private sketch") :]
    section = section[: section.index("</section>")]
    assert "no exact ones are in the file" in section
    assert f"{private.epsilon:.5g}" in section
    assert f"{private.n_samples:,}" in section
    assert "An exact sketch" not in section
    # What is said once is read.
    assert page.count("An exact sketch") == page.count("A private sketch") == 1


def test_a_classifier_s_section_has_its_classes():
    X = blobs(300)
    model = CompressiveClassifier().fit(X, np.where(X[:, 0] > 6, "far", "near"))
    text = " ".join(Page(make_page({"classes": model})).text)
    assert "classes: a classifier" in text
    assert all(f"{n:.5g}" in text for n in model.class_count_)
    # The last class has no row, and no component.
    model = CompressiveClassifier().partial_fit(X, (X[:, 0] > 6).astype(int), classes=[0, 1, 2])
    assert "2 0 0 0" in " ".join(Page(make_page({"classes": model})).text)


def test_what_was_learned_of_moments_alone_says_nothing_of_waves(contents):
    text = " ".join(Page(make_page({"pca": contents["pca"]})).text)
    assert "500" in text
    assert "scale of clusters" not in text
    assert "scale of clusters" in " ".join(Page(make_page({"km": contents["km"]})).text)


def test_a_table_s_section_has_its_groups_and_their_distances():
    X = blobs(4000)
    X[:1000] += 3.0
    sketcher = Sketcher(60, n_clusters=3, random_state=0).fit(X)
    cities = np.repeat(["Oslo", "Rome", "Nice", "Bonn"], 1000)
    table = sketcher.sketch_groups(X, {"city": cities})
    page = make_page({"cities": table})
    text = Page(page).text
    assert "cities: 4 groups" in text
    total = table.total()
    for (city,), sketch in table.items():
        ratio = compare(total - sketch, sketch).ratio
        assert text.index(city) < text.index(f"{ratio:.5g}")
    assert page.count("<svg") == 2
    one = table.select(city="Oslo")
    assert make_page({"one": one}).count("<svg") == 0


def test_three_sketches_of_one_operator_are_drawn(contents):
    whole = contents["monday"] + contents["tuesday"]
    days = {"a": contents["monday"], "b": contents["tuesday"], "c": whole}
    page = make_page(days)
    assert "distances to the first, over what chance would make them" in page


def test_equal_contents_make_equal_pages(contents):
    few = {"monday": contents["monday"]}
    assert make_page(few) == make_page(few)


def test_what_cannot_be_shown_is_refused(contents):
    with pytest.raises(ValueError, match="got none"):
        make_page({})
    with pytest.raises(TypeError, match="got ndarray as 'rows'"):
        make_page({"rows": np.eye(2)})
    with pytest.raises(TypeError, match="by the names that they go by, got a list"):
        make_page([contents["monday"]])
    for model in (CompressiveKMeans(2), CompressivePCA(), CompressiveClassifier()):
        with pytest.raises(NotFittedError):
            make_page({"model": model})
    nothing = contents["monday"] - contents["monday"]
    with pytest.raises(EmptySketchError, match="empty is a sketch without rows"):
        make_page({"empty": nothing})


def test_sketches_without_moments_and_of_one_column_have_their_pages():
    X = blobs()
    bare = Sketcher(40, random_state=0, moments=None).fit(X).sketch(X)
    single = CompressiveKMeans(3, random_state=0).fit(X[:, :1])
    page = make_page({"bare": bare, "single": single})
    assert "no moments" in page
    Page(page)


class Layout(HTMLParser):
    """For each table and picture its attributes, and those of the elements around it."""

    def __init__(self, page):
        super().__init__()
        self.around, self.found = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in ("table", "svg"):
            self.found.append((tag, dict(attrs), list(self.around)))
        if tag not in VOID:
            self.around.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.around.pop()


def test_no_table_or_picture_is_wider_than_a_telephone(page):
    """Tables of figures scroll within the page, others wrap, and pictures shrink with it."""
    found = Layout(page).found
    assert {tag for tag, _, _ in found} == {"table", "svg"}
    for tag, attributes, around in found:
        if tag == "svg":
            assert "viewbox" in attributes
            assert "figure" in [each for each, _ in around]
        elif attributes.get("class") != "values":
            assert ("div", {"class": "wide"}) in around
    style = page[page.index("<style>") : page.index("</style>")]
    assert "figure svg { width: 100%; height: auto;" in style
    assert ".wide { overflow-x: auto;" in style
    assert re.search(r"table.values th, table.values td {[^}]*overflow-wrap: anywhere;", style)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page


def luminance(color):
    """Relative luminance of #rrggbb, as WCAG 2.2 defines it."""
    shares = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_stands_out_from_its_ground(page, scheme):
    """Contrast is at least 4.5, as WCAG 2.2 asks (criterion 1.4.3), however it is shown."""
    style = page[page.index("<style>") : page.index("</style>")]
    at = {"light": "", "dark": "(prefers-color-scheme: dark)", "print": "@media print"}[scheme]
    colors = dict(re.findall(r"--(\w+): (#\w{6});", style[style.index(at) :].split("}")[0]))
    for text, ground in [("ink", "paper"), ("soft", "paper"), ("ink", "note"), ("mark", "paper")]:
        darker, lighter = sorted([luminance(colors[text]), luminance(colors[ground])])
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5
    assert (luminance(colors["paper"]) < 0.1) == (scheme == "dark")


@pytest.mark.slow
def test_a_table_by_days_is_watched_and_one_by_cities_is_not():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24 * 100, 2))
    X[-100:] += 3.0
    days = np.repeat([f"2026-03-{i + 1:02d}" for i in range(24)], 100)
    sketcher = Sketcher(30, random_state=0).fit(X)
    page = make_page({"days": sketcher.sketch_groups(X, {"day": days})})
    assert "The first 19 are taken to be without drift" in page
    assert "2026-03-24." in page[page.index("Alarms: ") :]
    assert page.count("<svg") == 4
    assert "far apart" not in page
    # The shifted day is now the first.
    turned = np.roll(X, 100, axis=0)
    with pytest.warns(UserWarning, match="2026-03-01 stands far apart"):
        page = make_page({"days": sketcher.sketch_groups(turned, {"day": days})})
    assert "Beware: reference window 2026-03-01 stands far apart" in page
    cities = np.char.add("city ", days)
    other = make_page({"cities": sketcher.sketch_groups(X, {"city": cities})})
    assert "taken to be without drift" not in other
    # So many groups would hide the rest.
    names = np.repeat([f"city {i:02d}" for i in range(40)], 60)
    many = make_page({"many": sketcher.sketch_groups(X, {"city": names})})
    assert "the 30 of 40 farthest from all others" in many
