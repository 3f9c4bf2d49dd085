"""HTTP: the Ray Serve applications, one file a service, all built by one service factory."""
