"""The page of a host: static files, which read what a host serves to programs.

`serving` serves `files`. They are HTML, CSS and JavaScript modules as browsers read them; nothing
builds them.
"""
