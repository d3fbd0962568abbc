"""Would the new routes serve what production gets? Pure; `estimate coverage` reads and prints.

verdicts     what a decision means for requests that production answered
targets      whether two targets are the same for a service
path_groups  paths that belong together
nearest      the rule that is nearest to a lost request, and what separates the two
entries      an entry of a VirtualService or an HTTPRoute as a tree of YAML
suggestion   the entry that would route lost requests
result       the whole answer as values
assumptions  what the user says about all requests
analysis     judges every observed request, and puts the answer together
cross_check  whether the live Envoy routed as these objects say
differences  why ingress-nginx and the new routes treat a request differently
"""
