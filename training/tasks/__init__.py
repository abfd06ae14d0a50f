"""Benchmarks of a trained model: from published files and clips to figures."""
