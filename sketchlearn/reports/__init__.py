"""Pages that show what files hold, to be read by anybody with a browser."""

from sketchlearn.reports.contents import make_page

__all__ = ["make_page"]
