"""Packages that are needed for some kinds of data only, imported when these come."""

from __future__ import annotations

import importlib
from typing import Any

# What a package is for, and the extra that brings it.
PURPOSES = {
    "dask": ("Dask collections", "dask"),
    "fsspec": ("files by URL", "remote"),
    "h5py": ("HDF5", "hdf5"),
    "matplotlib": ("pictures", "plot"),
    "opendp": ("the noise of private sketches", "privacy"),
    "pyarrow": ("tables, Parquet, Arrow and CSV", "arrow"),
    "pyspark": ("Spark data frames", "spark"),
    "zarr": ("Zarr arrays", "zarr"),
}


def import_optional(module: str, *others: str) -> Any:
    """Import a package of those that not everybody needs, or a module of one.

    Parameters
    ----------
    module : str
        What is returned.
    *others : str
        Modules of it that are imported as well.

    Raises
    ------
    ImportError
        If it is not installed; it says what is to be installed.

    Examples
    --------
    >>> import_optional("pyarrow.csv").__name__
    'pyarrow.csv'
    """
    package = module.partition(".")[0]
    purpose, extra = PURPOSES[package]
    try:
        found, *_ = [importlib.import_module(each) for each in (module, *others)]
    except ImportError as error:
        raise ImportError(
            f"{package} is needed for {purpose}: install sketchlearn[{extra}]"
        ) from error
    return found
