"""Speed, load and memory, measured on the machine at hand: `python -m benchmarks`. No test asserts a time."""
