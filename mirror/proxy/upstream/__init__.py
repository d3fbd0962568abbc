"""The tower that faces the application and the shadow: requests go out, answers come in.

origins     from the configuration of an upstream to its address, TLS and limits
connection  what every connection to an upstream shares: connect, pool, life of the socket
relaying    connections whose answers somebody receives
discarding  connections whose answers are only counted
head_reader the fields of an answer that discarding otherwise does not read
admission   who answers on a new connection, before it serves
resolver    the addresses behind an upstream's name, looked up again and again
outbox      what one turn of the event loop writes, written together at its end
"""
