"""The tower that faces nginx or the clients: requests come in, answers go out.

acceptor         what all connections of a worker share, and how they end
reader           reads the requests of a connection strictly, in order, and within limits
connection       one downstream connection: its socket, its deadlines, its end, back-pressure
sink             mode sink: acknowledges each request and gives it to the tee
inline           mode inline: proxies each request to the primary
inline_exchange  one inline request with its primary leg, its answer and its shadow copy
tunnel           bytes in both directions after an upgrade
"""
