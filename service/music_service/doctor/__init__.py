"""Whether a project is fit for the service: each thing looked at once, and how to mend it."""
