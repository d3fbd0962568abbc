"""ingress-nginx: what its nginx does with a request, for the Ingress objects that production has.

annotations  what the annotations of an Ingress ask for, and which of them are not judged
ingresses    an Ingress as a value
uris         the path of a request as nginx matches and forwards it
regexes      regular expressions of locations and of rewrites
locations    the locations of a server, and which of them takes a path
servers      the servers that ingress-nginx makes of all Ingresses together
routes       files of Ingresses, and what becomes of a request
"""
