"""Who can have written a caption. Light to import, for the command line."""

CAPTION_KINDS = ("human", "rephrased", "narrator", "caption")
"""Who wrote a caption, by number: a person; a model that rephrased a person's; a model that narrated; another model."""

HUMAN = CAPTION_KINDS.index("human")
