"""The key of the simulator that runs in a test's own process."""

KEY = "simulated"
