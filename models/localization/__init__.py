"""Models that find stretches of long videos, from features of the videos."""
