"""The page about a run for a reader: one file that needs no network. Its parts are imported from their modules."""
