"""Existing manifests compared with the projection: `estimate --against`.

defaults    existing objects in one form: what Kubernetes fills in, what older versions call it
meaning     whether two values mean the same, and which of them is too small
comparison  every number that has a reason, against the existing objects
listing     the differences as a document, JSON or CSV
"""
