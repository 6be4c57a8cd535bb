"""
Has the data changed?
=====================

A sketch a day, all of one operator. The distance of each day to the first is divided by what chance
alone would make it; and each column's mean is compared with that of the first day.
"""

import numpy as np

from sketchlearn import Sketcher, compare
from sketchlearn.plotting import DriftDisplay, MonitorDisplay

rng = np.random.default_rng(0)
days = rng.normal(size=(12, 3_000, 5))
days[5, :, 0] -= 0.3  # one bad day of one column
days[8:, :, 2] += 0.2  # another that stays elsewhere from day 8 on
sketcher = Sketcher(200, paired=True, random_state=0).fit(days[0])
windows = {f"day {i}": sketcher.sketch(day) for i, day in enumerate(days)}
display = DriftDisplay.from_windows(windows)

# %%
# The columns tell what it was.
display.plot(by="column")

# %%
# In figures, for one day:
print(compare(windows["day 0"], windows["day 9"]))

# %%
# Days often differ by more than chance, every one of them. A monitor alarms where a day differs by
# more than the days before it, 19 at least, differ among themselves. At the default level of .05,
# one day in twenty without drift is an alarm too.
days = rng.normal(size=(40, 3_000, 5)) + rng.normal(scale=0.1, size=(40, 1, 5))
days[30, :, 0] -= 0.8
windows = {f"day {i}": sketcher.sketch(day) for i, day in enumerate(days)}
MonitorDisplay.from_windows(windows)
