"""Pages of the API reference: one for each module that has public names, made of its `__all__`."""

import importlib
import pkgutil
from pathlib import Path

import sketchlearn

# Rooms in the order in which a reader meets them; others follow by name.
FIRST = ("estimators", "sketching", "sketches", "privacy", "plotting", "reports")
INDEX = """API reference
=============

Every public name, by the module that it is imported from. What ``sketchlearn`` itself has is all
that most programs need; a module's page does not list again what was listed before.

.. toctree::
   :maxdepth: 1

"""


def list_modules() -> list[str]:
    """Return the package and its rooms."""
    rooms = [
        name
        for _, name, _ in pkgutil.iter_modules(sketchlearn.__path__)
        if not name.startswith("_") and name not in ("cli", "exceptions")
    ]
    rooms.sort(key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return ["sketchlearn", *(f"sketchlearn.{room}" for room in rooms)]


def list_names() -> dict[str, list[str]]:
    """Return the public names of each module that no earlier one has."""
    names: dict[str, list[str]] = {}
    seen: list[object] = []
    for module in list_modules():
        room = importlib.import_module(module)
        new = [name for name in getattr(room, "__all__", []) if not name.startswith("_")]
        new = [name for name in new if not any(getattr(room, name) is one for one in seen)]
        seen += [getattr(room, name) for name in new]
        if new:
            names[module] = sorted(new)
    return names


def write_reference(folder: Path) -> list[str]:
    """Write the pages: an index, and one a module; what has not changed stays as it is.

    Parameters
    ----------
    folder : Path
        Where they go. What it holds of modules and names that are no more is removed.

    Returns
    -------
    list of str
        The modules' pages, within the folder above.
    """
    folder.mkdir(exist_ok=True)
    found = list_names()
    pages = {"index.rst", *(f"{module}.rst" for module in found)}
    pages |= {f"generated/{module}.{name}.rst" for module, names in found.items() for name in names}
    for path in folder.rglob("*.rst"):
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    _write(folder / "index.rst", INDEX + "".join(f"   {module}\n" for module in found))
    for module, names in found.items():
        first = (importlib.import_module(module).__doc__ or "").strip()
        lines = "".join(f"   {name}\n" for name in names)
        _write(
            folder / f"{module}.rst",
            f"{module}\n{'=' * len(module)}\n\n{first}\n\n.. currentmodule:: {module}\n\n"
            f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{lines}",
        )
    return [f"{folder.name}/{module}.rst" for module in found]


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds this text: what is newer is built anew."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
