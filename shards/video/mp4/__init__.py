"""The mp4 file of a stored clip."""
