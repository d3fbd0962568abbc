"""The data plane: each module owns one kind of socket and asks the core what to do."""
