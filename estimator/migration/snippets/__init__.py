"""What a step of the move changes, as text for each program that can shift traffic by path.

path             a route template as the programs understand paths, and the name of its objects
step             the share that moves, from where to where, and the snippet that a program gets
apache           Apache: a balancer per path, BalancerMember weights
nginx            nginx: an upstream per path, server weights
virtual_service  Istio: a delegate VirtualService per path, weights of its destinations
http_route       Gateway API: an HTTPRoute per path, weights of its backends

Every snippet is in a file of its own, of which a step changes nothing but the weights. The rollback
of a step is therefore the same file with the weights of the step before.
"""
