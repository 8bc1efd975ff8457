"""The running program: settings, the one place that wires every part, start, drain and stop."""
