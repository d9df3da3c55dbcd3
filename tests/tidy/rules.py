# SPDX-License-Identifier: BSD-3-Clause
"""
The tree's rules, each a function (path, text) -> [(line, message)]. Paths are relative to the
tree. RULES names them all.
"""

import re
from pathlib import PurePosixPath

import source

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 450
TEST_FILE_LINES_MAX = 800  # a simulation with its model, or all cases of one noun

# What a folder may include with quotes, beside its own files: folders under dataplane/, and
# "waxwire" for include/waxwire. The order is the order of the layers.
LAYERS = {
    "dataplane/base": ("waxwire", "base"),
    "dataplane/net": ("waxwire", "base", "net"),
    "dataplane/tcp": ("waxwire", "base", "net", "tcp"),
    "dataplane/tls": ("waxwire", "base", "tls"),
    "dataplane/http": ("waxwire", "base", "http"),
    "dataplane/ws": ("waxwire", "base", "ws"),
    "dataplane/relay": ("waxwire", "base", "relay"),
    "dataplane/conn": ("waxwire", "base", "net", "tcp", "tls", "http", "ws", "relay", "conn"),
    "dataplane/worker": ("waxwire", "base", "net", "tcp", "tls", "http", "ws", "relay", "conn", "worker"),
    "include/waxwire": ("waxwire",),
    "control": ("waxwire", "control"),
    "client": ("waxwire", "client", "base", "http", "ws", "relay"),
}
# Layers that are functions of what they are given.
PURE = tuple(layer for layer in LAYERS if layer.startswith("dataplane/") and layer != "dataplane/worker")
DPDK_ALLOWED = ("dataplane/worker", "perf")

IMPURE_HEADERS = {"stdio.h", "time.h", "unistd.h", "pthread.h", "threads.h", "signal.h", "syslog.h", "errno.h"}
IMPURE_HEADER_FOLDERS = ("sys/", "linux/", "netinet/", "arpa/", "net/")
IMPURE_CALLS = {
    "malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup", "aligned_alloc", "posix_memalign",
    "alloca", "printf", "fprintf", "vprintf", "vfprintf", "dprintf", "puts", "fputs", "putchar", "perror", "asprintf",
    "vasprintf", "time", "clock", "gettimeofday", "clock_gettime", "localtime", "gmtime", "rand", "srand", "random",
    "getrandom", "getenv", "exit", "usleep", "nanosleep", "sleep", "open", "read", "write", "close", "socket",
}
# Written in halves, so that this file keeps its own rule.
WORKPLACE = re.compile(r"(?<![\w./-])/(?:wo" r"rk|ho" r"me/\w+|ro" r"ot|Us" r"ers)/[\w.-]")


def folder_of(path):
    return str(PurePosixPath(path).parent)


def layer_of(path):
    """The layer that a file belongs to, or None."""
    folder = folder_of(path)
    return next((layer for layer in LAYERS if folder == layer or folder.startswith(layer + "/")), None)


def include_direction(path, text):
    """Layers include only those below them; the two planes meet in include/ alone."""
    layer = layer_of(path)
    if layer is None:
        return []
    found = []
    for line, name, system in source.includes(text):
        first = name.split("/")[0]
        if system or "/" not in name and layer in ("control", "client"):
            continue
        if "/" not in name:
            found.append((line, f'"{name}" is to be written with its folder'))
        elif first not in LAYERS[layer]:
            found.append((line, f"{layer} may not include {name}"))
    return found


def dpdk_only_in_worker(path, text):
    """Only dataplane/worker and perf know DPDK."""
    folder = folder_of(path)
    if any(folder == allowed or folder.startswith(allowed + "/") for allowed in DPDK_ALLOWED):
        return []
    return [(line, f"{name}: DPDK is for {' and '.join(DPDK_ALLOWED)} alone")
            for line, name, _ in source.includes(text) if re.match(r"rte_|ethdev_|bus_", name)]


def pure_layers_call_nothing(path, text):
    """No memory, clock, text or system from a pure layer."""
    if layer_of(path) not in PURE:
        return []
    found = [(line, f"<{name}> has no place in a pure layer") for line, name, system in source.includes(text)
             if system and (name in IMPURE_HEADERS or name.startswith(IMPURE_HEADER_FOLDERS))]
    for item in source.items(text):
        body = item.body or []
        for index, (token, line) in enumerate(body[:-1]):
            called = body[index + 1][0] == "(" and (index == 0 or body[index - 1][0] not in (".", "->"))
            if called and token in IMPURE_CALLS:
                found.append((line, f"{token}() has no place in a pure layer"))
    return found


def declares_mutable(words):
    """Whether a declaration at the top of a file, or a static one within a function, is of a variable that may change."""
    if not words or words[0] in ("typedef", "extern", "_Static_assert", "static_assert"):
        return False
    head = words[: words.index("=")] if "=" in words else words
    depth, flat = 0, []
    for word in head:  # a structure's fields do not matter
        depth -= word == "}"
        if depth == 0:
            flat.append(word)
        depth += word == "{"
    if "(" in flat and not ("*" in flat and flat[flat.index("(") + 1] == "*"):
        return False  # a function's prototype
    names = [word for word in flat if word.isidentifier()]
    tag_only = len(names) <= 2 and names[0] in ("struct", "union", "enum")
    if tag_only or names[-1] in ("aligned", "packed") or "__attribute__" in names:
        return False
    if "*" in flat:  # of a pointer, what counts is a const behind the last star
        last_star = len(flat) - 1 - flat[::-1].index("*")
        return "const" not in flat[last_star:]
    return "const" not in flat


def no_mutable_globals(path, text):
    """Pure layers keep no state but what is handed in."""
    if layer_of(path) not in PURE:
        return []
    found = []
    for item in source.items(text):
        if item.body is None:
            if declares_mutable(item.words()):
                found.append((item.first, f"mutable global: {' '.join(item.words()[:6])}"))
            continue
        for index, (token, line) in enumerate(item.body):
            if token == "static":
                rest = [word for word, _ in item.body[index:]]
                if declares_mutable(rest[: rest.index(";")] if ";" in rest else rest):
                    found.append((line, "mutable static within a function"))
    return found


def function_length(_path, text):
    """Functions stay under 70 lines."""
    return [(item.first, f"a function of {item.last - item.first + 1} lines; under {FUNCTION_LINES_MAX} are allowed")
            for item in source.items(text)
            if item.body is not None and item.last - item.first + 1 >= FUNCTION_LINES_MAX]


def file_length(path, text):
    """Files stay within 450 lines; those of tests may be longer."""
    lines, most = text.count("\n"), TEST_FILE_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
    return [(lines, f"a file of {lines} lines; {most} are allowed")] if lines > most else []


def licence_line(_path, text):
    """The licence stands on the first line (behind a #! line)."""
    lines = text.splitlines()[:2] + ["", ""]
    line = lines[1] if lines[0].startswith("#!") else lines[0]
    return [] if "SPDX-License-Identifier: BSD-3-Clause" in line else [(1, "no SPDX line")]


def no_workplace_paths(_path, text):
    """Nothing names a folder of the machine it was written on."""
    return [(number, "an absolute path of a workplace") for number, line in enumerate(text.splitlines(), 1)
            if WORKPLACE.search(line)]


def documented_headers(path, text):
    """
    Each function in a header has a comment above it. One comment may serve several that
    follow one another without an empty line, or another that it names.
    """
    if not path.endswith(".h") or not path.startswith(("include/", "dataplane/", "control/", "client/")):
        return []
    lines, found, covered_to = text.splitlines(), [], -1
    comments = " ".join(re.findall(r"/\*.*?\*/", text, flags=re.S))
    for item in source.items(text):
        words = item.words()
        function = item.body is not None or source.is_function(item.head) and words[0] not in ("typedef", "struct")
        above = lines[item.first - 2].strip() if item.first >= 2 else ""
        documented = above.endswith("*/") or item.first == covered_to + 1
        if documented:
            covered_to = item.last
        elif function:
            name = words[words.index("(") - 1]
            if not re.search(rf"\b{name}\b", comments):
                found.append((item.first, f"no comment tells what {name}() does"))
    return found


CODE = ("*.c", "*.h")
TEXT = ("*.c", "*.h", "*.py", "*.sh", "meson.build", "meson_options.txt")
RULES = {
    # name: (function, file patterns, only under these folders)
    "include-direction": (include_direction, CODE, ()),
    "dpdk": (dpdk_only_in_worker, CODE, ("include", "dataplane", "control", "client")),
    "pure-calls": (pure_layers_call_nothing, CODE, ()),
    "pure-globals": (no_mutable_globals, CODE, ()),
    "function-length": (function_length, CODE, ()),
    "file-length": (file_length, CODE, ()),
    "licence": (licence_line, TEXT, ()),
    "workplace-path": (no_workplace_paths, ("*",), ()),
    "header-comment": (documented_headers, ("*.h",), ()),
}
