"""The verbs of `curate`: each file adds its own to the app."""
