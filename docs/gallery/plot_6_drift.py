"""
Has the data changed?
=====================

A sketch a day, all of one operator. The distance from one day to the next is divided by what chance
alone would make it; beyond two or so, something has changed.
"""

import matplotlib.pyplot as plt
import numpy as np

from sketchlearn import Sketcher, compare

rng = np.random.default_rng(0)
shifts = [0.0, 0.0, 0.0, 0.0, 0.15, 0.3, 0.3]
days = [rng.normal(shift, 1.0, size=(4_000, 3)) for shift in shifts]
sketcher = Sketcher(200, random_state=0).fit(days[0])
sketches = [sketcher.sketch(day) for day in days]
ratios = [compare(sketches[0], sketch).ratio for sketch in sketches[1:]]

figure, ax = plt.subplots(layout="constrained")
ax.plot(range(1, len(days)), ratios, "o-", color="#0072B2")
ax.axhspan(0, 1.24, color="#8A8F98", alpha=0.3, lw=0, label="as chance has it")
ax.set(xlabel="day", ylabel="distance to day 0, over that of chance", ylim=(0, None))
ax.legend(frameon=False)
