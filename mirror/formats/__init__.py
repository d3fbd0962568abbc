"""What `mirror` writes and `estimate` reads: the one package of `mirror` that both import.

routes  route templates, and the route tag that a request path gets

Nothing here imports another package of `mirror`, except for its errors.
"""
