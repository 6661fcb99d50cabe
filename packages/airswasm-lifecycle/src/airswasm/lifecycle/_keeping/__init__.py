"""The home as a whole, in one stream: `archive` is its format, and `backup` writes one."""
