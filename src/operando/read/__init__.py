"""Raw files to nouns: one module a format, no processing. Every file is opened read-only and never locked."""

from .scans import open_scans

__all__ = ["open_scans"]
