"""`curate swap-quiz`."""
