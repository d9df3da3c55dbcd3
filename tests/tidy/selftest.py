# SPDX-License-Identifier: BSD-3-Clause
"""Plants breaches of every rule, and text that only looks like one, and sees that the rules tell them apart."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check  # noqa: E402
import rules  # noqa: E402

SPDX = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
LONG_FUNCTION = "int f(void)\n{\n" + "    g();\n" * 67 + "    return 0;\n}\n"
SHORT_FUNCTION = "int f(void)\n{\n" + "    g();\n" * 65 + "    return 0;\n}\n"
HERE = "/wo" "rk/main/x"

# (rule, path, text, how many breaches)
CASES = [
    ("include-direction", "dataplane/net/a.c", '#include "tcp/tcp.h"\n', 1),
    ("include-direction", "dataplane/tcp/a.c", '#include "tls/record.h"\n', 1),
    ("include-direction", "dataplane/tls/a.c", '#include "ws/frame.h"\n', 1),
    ("include-direction", "dataplane/relay/a.c", '#include "conn/stack.h"\n', 1),
    ("include-direction", "dataplane/conn/a.c", '#include "worker/port.h"\n', 1),
    ("include-direction", "control/a.c", '#include "relay/home.h"\n', 1),
    ("include-direction", "dataplane/worker/a.c", '#include "control/loop.h"\n', 1),
    ("include-direction", "include/waxwire/a.h", '#include "base/pool.h"\n', 1),
    ("include-direction", "dataplane/tcp/a.c", '#include "input.h"\n', 1),
    ("include-direction", "dataplane/conn/a.c", '#include "tcp/tcp.h"\n#include "relay/home.h"\n', 0),
    ("include-direction", "dataplane/tcp/a.c", '#include "net/addr.h"\n#include "waxwire/bytes.h"\n#include <string.h>\n', 0),
    ("dpdk", "dataplane/conn/a.c", "#include <rte_mbuf.h>\n", 1),
    ("dpdk", "control/a.c", '#include "rte_ring.h"\n', 1),
    ("dpdk", "dataplane/worker/a.c", "#include <rte_mbuf.h>\n", 0),
    ("pure-calls", "dataplane/tcp/a.c", "void f(void)\n{\n    p = malloc(3);\n}\n", 1),
    ("pure-calls", "dataplane/tcp/a.c", "#include <stdio.h>\nvoid f(void)\n{\n    printf(\"x\");\n}\n", 2),
    ("pure-calls", "dataplane/ws/a.c", "void f(void)\n{\n    t = time(NULL);\n}\n", 1),
    ("pure-calls", "dataplane/ws/a.c", "/* malloc( */ void f(void)\n{\n    a->free(x);\n    s = \"time(1)\";\n    pool_free(x);\n}\n", 0),
    ("pure-calls", "dataplane/tls/a.c", "enum e f(void)\n{\n    p = malloc(3);\n}\n", 1),
    ("pure-calls", "dataplane/worker/a.c", "void f(void)\n{\n    p = malloc(3);\n}\n", 0),
    ("pure-globals", "dataplane/base/a.c", "static int count;\n", 1),
    ("pure-globals", "dataplane/base/a.c", "const char *name = \"x\";\n", 1),
    ("pure-globals", "dataplane/base/a.c", "int f(void)\n{\n    static int n;\n    return n++;\n}\n", 1),
    ("pure-globals", "dataplane/base/a.c", "static struct aead table[] = {{1}, {2}};\n", 1),
    ("pure-globals", "dataplane/base/a.c", "static const int a[] = {1, 2};\nstatic const char *const b[] = {\"x\"};\n"
     "struct s { int x; };\nstatic int f(int);\nextern const int c;\nenum e { A, B };\ntypedef int (*g)(void);\n"
     "int h(void)\n{\n    static const char *const n[] = {\"x\"};\n    return n[0][0];\n}\n", 0),
    ("pure-globals", "control/a.c", "static int count;\n", 0),
    ("function-length", "control/a.c", LONG_FUNCTION, 1),
    ("function-length", "control/a.c", SHORT_FUNCTION, 0),
    ("function-length", "control/a.c", "static const int a[] = {\n" + "    1,\n" * 90 + "};\n", 0),
    ("file-length", "control/a.c", "\n" * 451, 1),
    ("file-length", "control/a.c", "\n" * 450, 0),
    ("file-length", "tests/sim/a.c", "\n" * 801, 1),
    ("file-length", "tests/sim/a.c", "\n" * 800, 0),
    ("licence", "control/a.c", "int x;\n", 1),
    ("licence", "control/a.c", "int x;\n" + SPDX, 1),
    ("licence", "control/a.c", SPDX, 0),
    ("workplace-path", "docs/a.md", f"see {HERE}\n", 1),
    ("workplace-path", "docs/a.md", "see https://example.org/work/x and base/work/y\n", 0),
    ("header-comment", "include/waxwire/a.h", "int f(void);\n", 1),
    ("header-comment", "dataplane/tcp/a.h", "static inline int f(void)\n{\n    return 0;\n}\n", 1),
    ("header-comment", "dataplane/tcp/a.h", "/* What f does. */\nint f(void);\nint f_too(void);\n\nint g(void);\n", 1),
    ("header-comment", "dataplane/tcp/a.h", "/* f makes, g frees. */\nint f(void);\n\nint g(void);\nstruct s { int x; };\n"
     "struct t {\n    int (*call)(void *ctx);\n};\ntypedef int (*h)(void);\n", 0),
]


def cases():
    """Each case by itself."""
    bad = []
    for number, (rule, path, text, expected) in enumerate(CASES, 1):
        found = rules.RULES[rule][0](path, text)
        if len(found) != expected:
            bad.append(f"case {number} ({rule}, {path}): {len(found)} found, {expected} planted: {found}")
    for rule in rules.RULES:
        outcomes = {count > 0 for name, _, _, count in CASES if name == rule}
        if outcomes != {True, False}:
            bad.append(f"rule {rule}: needs a planted breach and a sound text")
    return bad


def whole_tree():
    """A small tree: breaches are found through the files, an exception covers one, and an idle exception is told."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "dataplane/tcp").mkdir(parents=True)
        (root / "dataplane/tcp/a.c").write_text(SPDX + '#include "ws/frame.h"\n#include <rte_mbuf.h>\n')
        found = check.check(root, {})
        excepted = check.check(root, {("dpdk", "dataplane/tcp/a.c"): "because"})
        idle = check.check(root, {("licence", "dataplane/tcp/a.c"): "because"})
    bad = []
    if len(found) != 2 or len(excepted) != 1 or len(idle) != 3:
        bad.append(f"a whole tree: {found} {excepted} {idle}")
    return bad


def main():
    bad = cases() + whole_tree()
    print("\n".join(bad) or f"tidy: {len(CASES)} planted cases are told apart")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
