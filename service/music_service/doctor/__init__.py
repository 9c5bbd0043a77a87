"""Whether a project is fit for the service: each thing is checked once, with the way to fix it."""
