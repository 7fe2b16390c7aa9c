"""Foreign text in Markdown: it stays text, whatever reads the document.

Owns which characters mean something to Markdown, to HTML inside it, to a forge (mentions, references) or to a runner
(commands), and spells them as entities.
"""

import re
from typing import Final

from gate.report.text import one_line

# What markup, tables, mentions, references and commands are made of; a comment after @ keeps mentions apart even where
# entities are decoded before they are looked for. Underscores inside words and colons before blanks are harmless.
_SPECIAL: Final = re.compile(r"[&<>`*~\[\]|\\#$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?!\s|$)|\bwww\.")


def escaped(text: str, longest: int) -> str:
    """Foreign text as text: one line, nothing in it that Markdown, HTML or a runner understands."""
    return _SPECIAL.sub(_entity, one_line(text, longest))


def _entity(match: re.Match[str]) -> str:
    char, rest = match[0][0], match[0][1:]
    return f"&#{ord(char)};{'<!-- -->' if char == '@' else rest}"
