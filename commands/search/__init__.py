"""What was found, to look at: stretches of videos on a sheet, on a page, and behind a search box."""
