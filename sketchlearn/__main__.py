"""``python -m sketchlearn``: the command line."""

from sketchlearn.cli import main

main()
