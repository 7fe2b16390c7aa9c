"""The report: a dossier in, text out, once per format.

Each of `html`, `markdown`, `junit`, `github` and `record` is a pure function over `gate.model`. What they share stands
once: `rows` (what is said, in which order), `numbers` (how a number is spelt) and `text` (what foreign text may look
like). Writing files is left to others.
"""
