"""A trained model as files to give away: its weights under the names that some code reads, and a card."""
