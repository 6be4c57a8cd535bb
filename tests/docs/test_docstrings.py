"""Whatever is public is documented as numpydoc has it, with an example where users call it."""

import ast
import importlib
import inspect
import pkgutil
import re
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


def texts_of(thing):
    """Docstrings of a function, or of a class, those it derives from and their public methods."""
    if inspect.isfunction(thing):
        return inspect.getdoc(thing) or "", ""
    own = [base for base in thing.__mro__ if base.__module__.startswith("sketchlearn.")]
    methods = [
        inspect.getdoc(method) or ""
        for name, method in inspect.getmembers(thing, callable)
        if not name.startswith("_")
    ]
    return "\n".join(inspect.getdoc(base) or "" for base in own), "\n".join(methods)


def parameters_of(thing):
    """Names of what a caller passes."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:
        return []
    collected = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.kind not in collected and p.name[0] != "_"]


def returns_something(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    return any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(tree))


def find_gaps(name):
    """Say what the docstring of something public lacks."""
    thing = THINGS[name]
    text, methods = texts_of(thing)
    parameters = parameters_of(thing)
    has_fields = inspect.isclass(thing) and "Attributes\n----------" in text
    if parameters and not has_fields and "Parameters\n----------" not in text:
        yield "no section Parameters"
    yield from (f"nothing of {one}" for one in parameters if one not in text)
    is_function = inspect.isfunction(thing) and returns_something(thing)
    if is_function and not re.search(r"^(Returns|Yields)\n-------?$", text, re.MULTILINE):
        yield "no section Returns"
    if ">>>" not in text + methods:
        yield "no example"


@pytest.mark.parametrize("name", sorted({*THINGS} - EXCEPTIONS))
def test_public_things_have_numpydoc_sections_and_an_example(name):
    assert list(find_gaps(name)) == []
