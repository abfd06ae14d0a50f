"""Jobs of the verbs that find stretches of long videos, and make summaries of them, from features."""
