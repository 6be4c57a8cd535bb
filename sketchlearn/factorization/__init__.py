"""Matrices as products of sparse factors: found, quantised, and checked for well-posedness."""

from sketchlearn.factorization.butterfly import Butterfly
from sketchlearn.factorization.chains import Pattern, check_chain, square_dyadic
from sketchlearn.factorization.hierarchical import butterfly, least_relative_error
from sketchlearn.factorization.orders import search_order
from sketchlearn.factorization.products import (
    IllPosedWarning,
    RidgeSolution,
    closest_product,
    ridge_path,
)
from sketchlearn.factorization.quantisation import quantise, quantise_rank_one, round_significand
from sketchlearn.factorization.regressor import FixedSupportRegressor
from sketchlearn.factorization.supports import SupportVerdict, check_supports
from sketchlearn.factorization.transforms import bit_reversal, dft_butterfly, hadamard_butterfly
from sketchlearn.factorization.witnesses import Witness

__all__ = [
    "Butterfly",
    "FixedSupportRegressor",
    "IllPosedWarning",
    "Pattern",
    "RidgeSolution",
    "SupportVerdict",
    "Witness",
    "bit_reversal",
    "butterfly",
    "check_chain",
    "check_supports",
    "closest_product",
    "dft_butterfly",
    "hadamard_butterfly",
    "least_relative_error",
    "quantise",
    "quantise_rank_one",
    "ridge_path",
    "round_significand",
    "search_order",
    "square_dyadic",
]
