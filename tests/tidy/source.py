# SPDX-License-Identifier: BSD-3-Clause
"""C source cut into what the rules need: tokens, and the items at the top of a file."""

import re

TOKEN = re.compile(r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+\w*|\d[\w.]*|->|\+\+|--|<<|>>|[<>=!]=|&&|\|\||[^\s\w]")


def blank(text):
    """The same text, line for line, with comments, strings and characters made blank."""
    def spaces(match):
        piece = match.group(0)
        if piece[0] in "\"'":
            return piece[0] + "_" * (len(piece) - 2) + piece[0]
        return re.sub(r"[^\n]", " ", piece)

    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", spaces, text, flags=re.S)


def without_directives(text):
    """Preprocessor lines made blank, with those that go on behind a backslash."""
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.M)


def includes(text):
    """(line, name, is_system) of each #include."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
        if match:
            found.append((number, match[2], match[1] == "<"))
    return found


class Item:
    """A declaration or definition at the top of a file: its tokens up to the body, and its lines."""

    def __init__(self, head, first, last, body):
        self.head = head  # [(token, line)] before the body's brace, or before the semicolon
        self.first = first
        self.last = last
        self.body = body  # [(token, line)] within the braces of a function; None for anything else

    def words(self):
        return [token for token, _ in self.head]


def tokens(text):
    """[(token, line)] of C text without comments, strings' contents and directives."""
    found = []
    for number, line in enumerate(without_directives(blank(text)).splitlines(), 1):
        found += [(match.group(0), number) for match in TOKEN.finditer(line)]
    return found


def is_function(head):
    """Whether tokens before a brace are those of a function's definition."""
    words = [token for token, _ in head]
    if "(" not in words or "=" in words or words[0] == "typedef":
        return False
    before = words[: words.index("(")]
    return len(before) >= 2 and before[-1].isidentifier() and before[0] not in ("_Static_assert", "static_assert")


def items(text):
    """The items at the top of a C file, in order."""
    found, head, body, depth, opened = [], [], [], 0, None
    for token, line in tokens(text):
        if depth == 0 and token == ";":
            if head:
                found.append(Item(head, head[0][1], line, None))
            head = []
            continue
        if token == "{":
            depth += 1
            if depth == 1:
                opened = is_function(head)
                body = []
                if not opened:
                    head.append((token, line))
                continue
        elif token == "}":
            depth -= 1
            if depth == 0:
                if opened:
                    found.append(Item(head, head[0][1], line, body))
                    head = []
                else:
                    head.append((token, line))
                continue
        if depth == 0:
            head.append((token, line))
        elif opened:
            body.append((token, line))
    return found
