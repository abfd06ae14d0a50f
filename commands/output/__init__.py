"""What an output folder holds: which kind of work made it, with what, and whether it may be added to."""
