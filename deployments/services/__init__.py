"""One file a service or router."""
