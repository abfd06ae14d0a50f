"""Bytes: cut clips out of videos, write them as tar shards with an index, check them, read one by its index row."""
