"""Files: written whole or not at all, read by version, checked before they are believed."""
