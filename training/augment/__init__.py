"""Augmentation of clips in fine-tuning, on the device: pure functions of pixels and of random numbers."""
