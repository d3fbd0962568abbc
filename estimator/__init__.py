"""The `estimate` command: from an rps series and a correspondence table to the resources needed."""

__version__ = "0.1.0"
