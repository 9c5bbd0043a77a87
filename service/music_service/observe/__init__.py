"""What is seen of a worker from outside: its health, its metrics, its traces."""
