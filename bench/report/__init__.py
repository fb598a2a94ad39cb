"""What a stored run looks like to a reader: tables and exports, computed from the journal alone."""
