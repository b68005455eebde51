"""Real servers for the tests that `make test-scale` runs, and what only they can show."""
