"""Decisions only: nothing here knows asyncio, sockets, the clock, the environment or logging."""
