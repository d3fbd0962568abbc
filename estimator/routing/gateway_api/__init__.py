"""HTTPRoute and Gateway of gateway.networking.k8s.io, compiled into route tables.

fields      the fields of an object, read strictly, each problem with its line
hostnames   which hostnames overlap, and which listener owns an overlap
namespaces  the namespaces whose routes a listener admits
listeners   the listeners of a Gateway
matches     the matches of a rule: conditions
filters     the filters of a rule: redirects and rewrites
backends    the backends of a rule, with their shares
routes      an HTTPRoute: parents, hostnames, rules
precedence  the order in which matches are tried
attachment  which listeners admit which routes, and why not
tables      the tables of all gateways
objects     the objects of some files, compiled

The semantics are those of the specification (kubernetes-sigs/gateway-api, apis/v1) as Istio
implements it (pilot/pkg/config/kube/gateway), because the product is about Istio's gateways. Where
the two differ, Istio counts, and the module that decides it says so.
"""
