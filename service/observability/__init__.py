"""What is seen of the service from outside: logs, metrics, request ids."""
