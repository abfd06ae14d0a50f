"""Tasks of which a model has learned nothing: classes by their phrases, videos by sentences."""
