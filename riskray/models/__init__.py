"""The shared data models: every model that crosses a process or a service boundary."""
