"""Named, versioned, content-hashed inputs of a run."""
