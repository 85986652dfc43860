"""Where answers go: JSON lines, CSV, SQLite."""
