"""Operating the portal: what watches it, backup and restore, several machines."""
