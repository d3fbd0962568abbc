"""VirtualService and Gateway of networking.istio.io, compiled into route tables as istiod does.

names             hosts, wildcards, gateways and namespaces
matches           the matches of a route: conditions
delegates         the matches of a root merged with those of its delegate
actions           what a route does: redirects, rewrites, destinations, faults
virtual_services  a VirtualService: hosts, gateways, routes, delegates
gateways          the servers of a Gateway
tables            the tables of all gateways
envoy_filters     patches that may change where requests go
objects           the objects of some files, compiled
"""
