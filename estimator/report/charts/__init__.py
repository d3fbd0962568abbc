"""The charts of a report, as inline SVG.

content   from the model's plots to charts: which line, which colour, which words beside it
svg       lines over time, and a load curve with its rows, as SVG
axes      where a value lies in pixels, and which round values carry a label
thinning  fewer points for a chart that has less room, extremes kept
"""
