"""Stretches of long videos, from features to a number: Ego4D's natural language queries and moment queries."""
