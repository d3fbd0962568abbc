"""Routing: what a gateway would do with a request, decided on values.

request     a request as its source recorded it
decision    what becomes of it, and what that depends on
conditions  what a rule asks of a request: yes, no or unknown
patterns    RE2, as Envoy uses it
rules       a rule: its place, its conditions, its action
rewrites    the path and the Location that a rule makes
paths       the normalisation of paths before routing
path_index  finds the rules that a path may match
table       the route table of one port of one gateway, and its verdict
objects     Kubernetes objects in files and directories
fields      a strict walk over the fields of an object
files       files and directories of objects, read into tables
istio       VirtualService and Gateway of networking.istio.io, compiled into tables
gateway_api HTTPRoute and Gateway of gateway.networking.k8s.io, compiled into tables
ingress_nginx Ingresses of ingress-nginx, which served before
"""
