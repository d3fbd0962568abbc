"""What a component used while it was loaded, and the correspondence table that comes of it."""
