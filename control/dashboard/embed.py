#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the dashboard's files as C strings: embed.py INDEX SCRIPT STYLE."""

import sys


def literal(text):
    """A C literal of a text, a line each."""
    lines = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").split("\n")
    return "\n".join(f'    "{line}\\n"' for line in lines[:-1])


print("/* Made from control/dashboard; do not edit. */")
for name, path in zip(("index", "script", "style"), sys.argv[1:4], strict=True):
    with open(path, encoding="utf-8") as file:
        print(f"static const char dashboard_{name}[] =\n{literal(file.read())};")
