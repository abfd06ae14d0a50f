"""What `curate eval` asks of a model: which benchmarks, how they are answered, and what is printed."""
