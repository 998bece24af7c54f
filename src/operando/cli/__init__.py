"""The commands. Thin: each parses its words, calls one function of a room, and prints. One module a kind of work."""

from .app import app
from .errors import main

__all__ = ["app", "main"]
