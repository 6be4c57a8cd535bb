"""From a sketch to a mixture, without the data."""

from sketchlearn.decoders.clompr import CLOMPR
from sketchlearn.decoders.decoder import Decoder, Mixture
from sketchlearn.decoders.mean_shift import MeanShift

__all__ = ["CLOMPR", "Decoder", "MeanShift", "Mixture"]
