"""Loaders of the real data sets that demos, tests and benchmarks use.

Not part of the installed package: import it from the root of a checkout.
"""
