"""Canaries: one request with an id of its own, and where it is found.

sending    the request through production, and the one that goes straight to the shadow
places     logs that are followed from now on, sidecars, and Envoy's counters
search     sends, waits and looks, for a bounded time
verdict    what it means where the request was found and where not
"""
