"""What people at the command line do to a project: ask for tracks, list, retry, cancel, pause."""
