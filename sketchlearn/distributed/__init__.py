"""Sketch data that lies on many machines, on the engine that is there.

`sketchlearn.distributed.dask` and `sketchlearn.distributed.spark` each have two functions: `fit`
chooses an operator on a bounded sample, `sketch` gives the `Sketch` of a whole collection. Neither
engine is imported before it is used.
"""
