"""The verbs of `curate`, and so the one doorway to the other rooms: a verb imports what it calls when it runs."""
