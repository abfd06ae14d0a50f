"""Search videos by words: an index of embedded windows on disk, and which stretches answer a text best."""
