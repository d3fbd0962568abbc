"""Which URIs production requests: counts in bounded memory, for `/uris` (docs/formats.md).

canonical   the URI of a request: secrets redacted, values of the query left out, lengths bounded
collector   what one worker has counted and not sent yet
table       the sums over all workers: exact, until there are more URIs than it keeps
piece       the message between the two

The collector is on the path of every request, so it is a cache that forgets only what it has sent.
The table alone decides what is kept.
"""
