"""What tests of more than one folder stand on; conftests hold fixtures alone."""
