"""The shared contracts: every model that crosses a process or a service boundary."""
