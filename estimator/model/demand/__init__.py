"""Step 1: the demand that was observed, and the demand that is sized for.

peaks     statistics of peaks: what averaging hid, daily maxima, return levels
spikes    the few seconds that decide a peak
scenario  each factor between the observed and the projected peak, by itself
traffic   the demand of a component's routes in the series
hours     what to expect at an hour of the week
"""
