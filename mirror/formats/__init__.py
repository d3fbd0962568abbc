"""What `mirror` writes and `estimate` reads: the one package of `mirror` that both import.

routes  path to route tag, by the templates of the configuration

Nothing here imports another package of `mirror`, except for its errors.
"""
