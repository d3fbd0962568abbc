"""Sends recorded requests again, open loop, and measures what becomes of them."""
