"""Bounded one-way consumers of counts: they drop and count, they never wait."""
