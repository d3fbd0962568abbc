"""Captures: requests in files, written while they are served and read again later."""
