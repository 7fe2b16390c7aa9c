"""Attacks on the faces of the system: who may what, what may come in, and what must never come out."""
