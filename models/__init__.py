"""Compact modules, losses and metrics of egocentric video-language models; knows nothing of files, Ray or loaders."""
