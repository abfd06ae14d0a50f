"""Measurements; `python -m benchmarks` writes their figures as JSON and into docs/figures.md."""
