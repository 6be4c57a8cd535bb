"""The design's rules, read off the source: rooms, names, and what no module may do."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sketchlearn"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Every room but these three may use them.
COMMON = ("exceptions", "_progress", "_registry", "_threads", "_validation", "_caller")
WITHOUT_COMMON = {"_kernels", "optim", "sources"}


def read_rooms() -> dict[str, set[str]]:
    """Return what each room may import, as the page's table of rooms says."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| room | what it holds | may import |\n|---|---|---|\n")[1].split("\n\n")[0]
    rooms: dict[str, set[str]] = {"exceptions": set(), "_validation": {"exceptions"}}
    rooms |= {name: set() for name in COMMON if name not in rooms}
    above: set[str] = set()
    for line in table.splitlines():
        names, _, imports = (cell.strip() for cell in line.strip("|").split(" | "))
        allowed = set(re.findall(r"`(\w+)`", imports))
        if "all of the above" in imports:
            allowed |= above
        for name in re.findall(r"`(\w+)/?`", names):
            rooms[name] = allowed if name in WITHOUT_COMMON else allowed | set(COMMON)
            above |= {name}
    everything = above - {"cli"} | set(COMMON)
    rooms["cli"].add("__init__")
    return {**rooms, "__init__": everything, "__main__": {"cli"}}


ROOMS = read_rooms()

MAX_LINES = 500
# Who may look at Omega as a matrix: the maps themselves, and what shows it to users.
SEE_A_MATRIX = {
    "sketchlearn.linear_maps.linear_map",
    "sketchlearn.linear_maps.dense",
    "sketchlearn.frequencies.operator",
    "sketchlearn.sketching.transformer",
}
# What a machine may lack: limits of memory, which Linux alone keeps to; pycle, which the benchmarks
# alone need; and the tools of the page on integrations.
MAY_SKIP = {"test_benchmarks": 2, "test_integrations": 1, "test_suite": 1, "test_callbacks": 1}
VAGUE_NAMES = {"utils", "util", "helper", "helpers", "manager", "managers", "misc", "common"}
SEEDED_RANDOM = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "RandomState"}
OPTIONAL = {
    *("dask", "distributed", "duckdb", "fsspec", "h5py", "matplotlib", "mlxtend", "opendp"),
    *("pandas", "polars", "pyarrow", "pyspark", "rich", "typer", "zarr"),
}
# Of folders that nothing imports before these are known to be there.
OWN_PACKAGES = {"sketchlearn.cli": {"rich", "typer"}}
# Documented by scikit-learn and by IPython for authors, in spite of the underscore.
PUBLIC_IN_SPITE = {"_n_features_out", "_repr_html_"}

# Public by the documentation of namedtuples and of IPython.
HOOKS = {"_replace", "_repr_html_", "_repr_mimebundle_"}


def name_of(module: Path) -> str:
    """Give the dotted name, e.g. ``sketchlearn.sketches.sketch``."""
    parts = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(dotted: str) -> str:
    """Give the part after ``sketchlearn.``, or ``__init__`` for the package itself."""
    return [*dotted.split("."), "__init__"][1]


@cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def imports_in(module: Path, nodes: Iterator[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield (module imported, name taken from it or ""), relative imports made absolute."""
    package = name_of(module) if module.stem == "__init__" else name_of(module).rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base]).rstrip(".")
            yield from ((base, alias.name) for alias in node.names)


def imports_at_load(module: Path) -> Iterator[tuple[str, str]]:
    """Yield the imports that run when the module is imported: outside functions."""

    def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield child
                yield from outside_functions(child)

    return imports_in(module, outside_functions(tree_of(module)))


def all_imports(module: Path) -> list[tuple[str, str]]:
    return list(imports_in(module, ast.walk(tree_of(module))))


def own_imports(module: Path) -> Iterator[str]:
    """Yield the dotted names imported from the package itself, modules found among names."""
    ours = {name_of(path) for path in MODULES}
    for base, name in all_imports(module):
        if base.split(".")[0] == "sketchlearn":
            yield f"{base}.{name}" if f"{base}.{name}" in ours else base


def read_settings() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_extras(line: str) -> set[str]:
    """Return the extras of this package that a requirement asks for, none if it asks another."""
    found = re.fullmatch(r"sketchlearn\[(.*)\]", line)
    return set(found[1].split(",")) if found else set()


def runtime_packages() -> set[str]:
    """Read the import names of the runtime dependencies from pyproject.toml."""
    names = {re.split(r"[^\w-]", line)[0] for line in read_settings()["project"]["dependencies"]}
    # llvmlite is the half of numba that its documented `intrinsic` is written with.
    return {"sklearn" if name == "scikit-learn" else name for name in names} | {"llvmlite"}


def dotted_attribute(node: ast.Attribute) -> str:
    """Give ``a.b.c`` of an attribute chain that starts at a name, else its last attribute."""
    if isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    if isinstance(node.value, ast.Attribute):
        return f"{dotted_attribute(node.value)}.{node.attr}"
    return node.attr


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


each_module = pytest.mark.parametrize("module", MODULES, ids=name_of)


@pytest.mark.slow
@each_module
def test_imports_only_go_down(module):
    room = room_of(name_of(module))
    assert room in ROOMS, f"no room is called {room!r}"
    for imported in own_imports(module):
        target = room_of(imported)
        allowed = target == room or target in ROOMS[room]
        assert allowed, f"{name_of(module)} ({room}) imports {imported} ({target})"


@each_module
def test_kernels_import_nothing_of_ours_but_kernels(module):
    if room_of(name_of(module)) != "_kernels" or module.stem == "__init__":
        return
    for base, name in all_imports(module):
        if base.startswith("sketchlearn"):
            is_kernel = base.startswith("sketchlearn._kernels")
            assert is_kernel, f"{name_of(module)} imports {base}.{name}"


@pytest.mark.slow
@each_module
def test_no_private_name_of_scikit_learn(module):
    for base, name in all_imports(module):
        if base.split(".")[0] == "sklearn":
            private = [part for part in [*base.split("."), name] if is_private(part)]
            assert not private, f"{name_of(module)} imports {base}.{name}"
    bases = (BaseEstimator, ClusterMixin, ClassNamePrefixFeaturesOutMixin)
    inherited = {name for base in bases for name in dir(base) if is_private(name)}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute):
            hidden = node.attr in inherited - PUBLIC_IN_SPITE
            assert not hidden, f"{name_of(module)}:{node.lineno} uses scikit-learn's {node.attr}"


@pytest.mark.slow
@each_module
def test_only_runtime_packages_are_imported_on_load(module):
    allowed = runtime_packages() | set(sys.stdlib_module_names) | {"sketchlearn"}
    allowed |= OWN_PACKAGES.get(name_of(module).rpartition(".")[0], set())
    for base, _ in imports_at_load(module):
        assert base.split(".")[0] in allowed, f"{name_of(module)} imports {base} on load"


@pytest.mark.slow
@each_module
def test_no_global_random_state(module):
    for base, name in all_imports(module):
        assert base != "random", f"{name_of(module)} imports the stdlib's random"
        if base == "numpy.random":
            assert name in SEEDED_RANDOM, f"{name_of(module)} imports numpy.random.{name}"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute):
            match = re.search(r"\b(?:np|numpy)\.random\.(\w+)", dotted_attribute(node))
            seeded = match is None or match[1] in SEEDED_RANDOM
            assert seeded, f"{name_of(module)}:{node.lineno} draws from the global generator"


@each_module
def test_names_are_imported_one_by_one(module):
    starred = [base for base, name in all_imports(module) if name == "*"]
    assert not starred, f"{name_of(module)} imports * from {starred}"


@each_module
def test_module_is_short_and_well_named(module):
    n_lines = len(module.read_text(encoding="utf-8").splitlines())
    assert n_lines < MAX_LINES, f"{name_of(module)} has {n_lines} lines"
    vague = VAGUE_NAMES & set(re.split(r"[._]", name_of(module)))
    assert not vague, f"{name_of(module)}: {vague} says nothing"


@each_module
def test_everything_public_has_a_docstring(module):
    def undocumented(node: ast.AST, owner: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name.startswith("_"):
                continue
            if ast.get_docstring(child) is None:
                yield f"{owner}.{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from undocumented(child, f"{owner}.{child.name}")

    assert ast.get_docstring(tree_of(module)) or module.stem == "__init__"
    assert list(undocumented(tree_of(module), name_of(module))) == []


@each_module
def test_nothing_needs_the_frequencies_as_a_matrix(module):
    if name_of(module) in SEE_A_MATRIX:
        return
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute):
            place = f"{name_of(module)}:{node.lineno}"
            assert node.attr not in ("frequencies", "frequencies_"), f"{place} reads the matrix"


def test_no_decoder_takes_data():
    for module in (PACKAGE / "decoders").rglob("*.py"):
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.arg):
                assert node.arg != "X", f"{name_of(module)}:{node.lineno} takes X"


def test_every_public_name_exists():
    import sketchlearn

    missing = [name for name in sketchlearn.__all__ if not hasattr(sketchlearn, name)]
    assert missing == []


def test_the_package_loads_where_nothing_optional_is_installed():
    # scikit-learn itself loads some of these where it finds them, so a look at what is loaded
    # afterwards would not tell. None in sys.modules makes an import fail.
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(OPTIONAL)})); import sketchlearn"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_kernel_has_a_slow_twin():
    kernels = {
        node.name
        for module in (PACKAGE / "_kernels").glob("*.py")
        for node in tree_of(module).body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(decorator).startswith("kernel(") for decorator in node.decorator_list)
    }
    twins = {node.name for node in tree_of(ROOT / "tests" / "naive.py").body
             if isinstance(node, ast.FunctionDef)}  # fmt: skip
    assert len(kernels) >= 8
    assert kernels <= twins


def test_tests_skip_only_what_a_machine_may_lack():
    skips = Counter(
        module.stem
        for module in TESTS
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute) and node.attr in ("importorskip", "skip", "skipif")
    )
    assert skips == MAY_SKIP


def test_one_extra_is_all_others():
    extras = read_settings()["project"]["optional-dependencies"]
    assert set.union(*map(read_extras, extras["all"])) == {*extras} - {"all"}


def test_the_extra_of_tests_has_what_their_modules_import():
    settings = read_settings()
    extras = settings["project"]["optional-dependencies"]
    lines = [*extras["test"]]
    for each in set.union(*map(read_extras, extras["test"])):
        lines += extras[each]
    there = {re.split(r"[^\w-]", line)[0] for line in lines} | runtime_packages()
    there |= {"sketchlearn", "docs", "datasets", "tests", *sys.stdlib_module_names}
    there |= {path.stem for path in (ROOT / "tests").iterdir()}
    ignored = {ROOT / option.removeprefix("--ignore=")
               for option in settings["tool"]["pytest"]["ini_options"]["addopts"]}  # fmt: skip
    # Doctests are looked for in the modules of docs too: pytest imports these.
    modules = [*TESTS, *({*(ROOT / "docs").glob("*.py")} - ignored)]
    imported = {base.split(".")[0] for module in modules for base, _ in imports_at_load(module)}
    assert imported <= there


@pytest.mark.parametrize("module", TESTS, ids=lambda module: module.stem)
def test_tests_use_the_package_as_it_is(module):
    """No private name but those of private modules, and nothing of the package replaced."""
    from_package = set()
    for base, name in all_imports(module):
        if base.split(".")[0] == "sketchlearn":
            from_package.add(name or base)
            is_module = f"{base}.{name}" in {name_of(path) for path in MODULES}
            assert is_module or not is_private(name), f"{module.stem} imports {base}.{name}"
    for node in ast.walk(tree_of(module)):
        place = f"{module.stem}:{getattr(node, 'lineno', '')}"
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) != "self":
            assert not is_private(node.attr) or node.attr in HOOKS, f"{place} uses {node.attr}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("monkeypatch.set"):
            patched = ast.unparse(node.args[0]).strip("'\"").split(".")[0]
            assert patched not in from_package | {"sketchlearn"}, f"{place} patches {patched}"
