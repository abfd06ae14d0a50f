"""`python -m egocurate` is `curate`."""

from egocurate.commands.curate import main

main()
