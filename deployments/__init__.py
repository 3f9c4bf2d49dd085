"""HTTP: the Ray Serve applications in `services`, all built by the one service factory in `http`."""
