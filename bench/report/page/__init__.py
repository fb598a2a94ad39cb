"""The report that is opened in a browser: one file, which asks nothing of any network."""
