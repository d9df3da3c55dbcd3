# SPDX-License-Identifier: BSD-3-Clause
"""Small assertions that say what they saw."""


def equal(seen, wanted, what=""):
    if seen != wanted:
        raise AssertionError(f"{what + ': ' if what else ''}{seen!r}, expected {wanted!r}")


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def raises(kind, function, *arguments):
    """The exception of that kind that the call must end in."""
    try:
        function(*arguments)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def fatal(session, error, wait=5):
    """The session ends with that fatal ERROR, and the close code that belongs to it."""
    equal(session.fatal(wait), (error, 4000 + error), "(ERROR, close code)")


def dead(session, wait=5):
    """The session ends with this close code and no ERROR."""
    seen, code = session.fatal(wait)
    equal(seen, None, "ERROR")
    return code
