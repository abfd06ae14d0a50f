"""Measurements; `python -m benchmarks` writes their figures as JSON and into the README."""
