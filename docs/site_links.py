"""Check that the links of the built site lead somewhere, without a network.

Run from the root of a checkout, after `make docs` has built the pages::

    python -m docs.site_links build/site

Each link to another page, to a place on a page, or to a file is followed. Links to other sites are
only counted.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """What a page links to, and the places on it that others may link to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's links and its name."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def find_broken(site: Path) -> tuple[list[str], int]:
    """Return links that lead nowhere, as "page: link", and how many were followed."""
    pages = {
        path: Links(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.relative_to(site).parts  # the theme's templates
    }
    broken, n_followed = [], 0
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            n_followed += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            place = unquote(parts.fragment)
            is_there = target.exists() and (
                not place or target not in pages or place in pages[target].places
            )
            if not is_there:
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken, n_followed


def main() -> None:
    """Check a site; the exit code is 1 if a link is broken."""
    broken, n_followed = find_broken(Path(sys.argv[1]).resolve())
    print(f"{n_followed:,} links within the site, {len(broken)} broken")
    for each in broken:
        print(each)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
