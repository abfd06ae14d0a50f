"""The acceptance run on one GPU; README.md in this folder says how it is brought to a machine and read."""
