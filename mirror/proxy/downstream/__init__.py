"""The tower that faces nginx or the clients: requests come in, answers go out.

acceptor         what all connections of a worker share, and how they end
connection       one downstream connection: reads requests strictly, in order, with back-pressure
sink             mode sink: acknowledges each request and gives it to the tee
inline           mode inline: proxies each request to the primary
inline_exchange  one inline request with its primary leg, its answer and its shadow copy
tunnel           bytes in both directions after an upgrade
"""
