"""Around the training loop: configs and recipes, and the run with its ranks, log and checkpoints."""
