# SPDX-License-Identifier: BSD-3-Clause
"""
Holds the tree to the rules of rules.py. Exit 1 when one is broken.

exceptions.txt allows single breaches: `RULE PATH: reason`, a line each. An exception that
nothing needs any more is a breach too.
"""

import fnmatch
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from rules import RULES  # noqa: E402


def tree_files(root):
    """Files that belong to the tree, relative to it."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True,
                            text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if not name.startswith((".git/", "build"))]
    return sorted(name for name in names if (root / name).is_file())


def exceptions(path):
    """{(rule, file): reason}; a line without a reason is refused."""
    allowed = {}
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        where, _, reason = line.partition(":")
        parts = where.split()
        if len(parts) != 2 or parts[0] not in RULES or not reason.strip():
            raise SystemExit(f"{path}:{number}: expected 'RULE PATH: reason'")
        allowed[tuple(parts)] = reason.strip()
    return allowed


def check(root, allowed):
    """All breaches under root, as lines of text."""
    found, used = [], set()
    for name in tree_files(root):
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for rule, (function, patterns, folders) in RULES.items():
            if not any(fnmatch.fnmatch(Path(name).name, pattern) for pattern in patterns):
                continue
            if folders and not name.startswith(tuple(folder + "/" for folder in folders)):
                continue
            breaches = function(name, text)
            if breaches and (rule, name) in allowed:
                used.add((rule, name))
                continue
            found += [f"{name}:{line}: {message} [{rule}]" for line, message in breaches]
    found += [f"exceptions.txt: nothing needs '{rule} {name}' any more" for rule, name in set(allowed) - used]
    return found


def main():
    root = Path(__file__).resolve().parents[2]
    found = check(root, exceptions(Path(__file__).with_name("exceptions.txt")))
    print("\n".join(found) or "tidy: the tree keeps its rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
