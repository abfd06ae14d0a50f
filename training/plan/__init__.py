"""What a run will need, before there is a machine for it: memory, speed, cores, days, disk."""
