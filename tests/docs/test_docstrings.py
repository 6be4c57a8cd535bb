"""Whatever is public is documented as numpydoc has it, with an example where users call it."""

import ast
import importlib
import inspect
import pkgutil
import textwrap

import pytest

import sketchlearn

ROOMS = [
    name
    for _, name, is_package in pkgutil.iter_modules(sketchlearn.__path__)
    if not name.startswith("_") and name != "cli"
]


def public_things():
    """Every class and function that an `__all__` of the package or of a room names, once."""
    found = {}
    for module in [
        sketchlearn,
        *(importlib.import_module(f"sketchlearn.{room}") for room in ROOMS),
    ]:
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found.setdefault(thing, f"{module.__name__}.{name}")
    return {name: thing for thing, name in found.items()}


THINGS = public_things()
EXCEPTIONS = {n for n, t in THINGS.items() if inspect.isclass(t) and issubclass(t, Exception)}


def parameters_of(thing):
    """Names of what a caller passes; of a class, as far as it takes more than its fields."""
    try:
        parameters = inspect.signature(thing).parameters
    except ValueError:
        return []
    return [name for name in parameters if name not in ("self", "args", "kwargs", "y")]


def returns_something(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    return any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(tree))


@pytest.mark.parametrize("name", sorted({*THINGS} - EXCEPTIONS))
def test_public_things_have_numpydoc_sections_and_an_example(name):
    thing = THINGS[name]
    text = inspect.getdoc(thing) or ""
    has_fields = inspect.isclass(thing) and "Attributes\n----------" in text
    if parameters_of(thing) and not has_fields:
        assert "Parameters\n----------" in text, f"{name} documents no parameters"
    for parameter in parameters_of(thing):
        assert parameter in text, f"{name} says nothing of {parameter}"
    if inspect.isfunction(thing) and returns_something(thing):
        assert "Returns\n-------" in text or "Yields\n------" in text, f"{name} documents no result"
    assert ">>>" in text, f"{name} has no example"
