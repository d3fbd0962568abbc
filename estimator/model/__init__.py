"""The model: pure functions of a series and a table; no files, no clock, no printing.

load_curve  cpu of a container as a monotone function of rps per replica, and its inverse
sizing      the smallest replica count at a peak, one function for pods and gateways
projection  every figure of the report, each with its reason, and what was assumed
"""
