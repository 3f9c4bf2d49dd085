"""One idea of a named, versioned, content-hashed thing: each kind of snapshot is a declaration of it. SQL is the store's."""
