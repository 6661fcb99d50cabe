"""Messages between components: codecs, quotas, requests and dead letters."""

__all__ = ()
