# SPDX-License-Identifier: BSD-3-Clause
"""docs/tcp-conformance.md, docs/tls-conformance.md and docs/protocol-conformance.md, made from the rows."""

HEAD = """<!-- Made from tests/conformance/TABLE/ by tests/conformance/check.py --write. Change the rows. -->
# TITLE conformance

One row for each requirement: where it stands, what it asks (in our words), what we do, and the tests that prove it. `yes`: done as asked. `differs`: done
otherwise, with the reason. `no`: not done, with the reason; such a row has no test. The test run checks that every other row names tests which exist and have just passed
(suite `conformance`), and that this page is current. Names are scenarios of [tests/packet/](packet-scripts.md), or Criterion tests with their program before them.

"""


PROTOCOL_HEAD = """<!-- Made from tests/conformance/protocol/ by tests/conformance/check.py --write. Change the rows. -->
# Protocol conformance

One row for each statement of [protocol.md](protocol.md): what it asks, what we do, and the tests that prove it. `yes`: done as asked. `differs`: done otherwise, with the reason. `no`: not done, with the
reason; such a row has no test. The test run checks that every other row names tests which exist; those of Criterion programs must just have passed (suite `conformance`), those of `e2e-FILE` are functions of `tests/e2e/test_FILE.py`, which the stage
`e2e` runs against an appliance. Codec and limits are fuzzed besides (`fuzz-envelope`), and custody, order and receipts are simulated (`sim-custody`).

"""


def cell(text):
    return text.replace("|", "\\|")


def tests_cell(row):
    return "<br>".join(f"`{name}`" if program == "packet" else f"{program} `{name}`" for program, name in row.tests)


def does_cell(row):
    if "not" in row.text:
        return f"Not done: {row.text['not']}"
    return row.text["do"] + (f". Differs: {row.text['but']}" if "but" in row.text else "")


def summary(rfcs):
    lines = [f"| {rfcs[0].word} | rows | yes | differs | no |", "| --- | ---: | ---: | ---: | ---: |"]
    total = {"yes": 0, "differs": 0, "no": 0}
    for rfc in rfcs:
        count = {key: sum(row.status() == key for row in rfc.rows) for key in total}
        for key, value in count.items():
            total[key] += value
        numbers = " | ".join(str(value) for value in count.values())
        lines.append(f"| [{rfc.number}](#{rfc.word.lower()}-{rfc.number}) {cell(rfc.title)} | {len(rfc.rows)} | {numbers} |")
    lines.append(f"| all | {sum(total.values())} | {' | '.join(str(value) for value in total.values())} |")
    return "\n".join(lines) + "\n"


def make(table, rfcs):
    """The whole page as text."""
    head = PROTOCOL_HEAD if table == "protocol" else HEAD.replace("TABLE", table).replace("TITLE", table.upper())
    parts = [head, summary(rfcs)]
    for rfc in rfcs:
        word = rfc.word[0].upper() + rfc.word[1:]
        parts.append(f"\n<a id=\"{rfc.word.lower()}-{rfc.number}\"></a>\n## {word} {rfc.number}: {rfc.title}\n\n"
                     "| clause | asked | | what we do | tests |\n| --- | --- | --- | --- | --- |\n")
        for row in rfc.rows:
            place = " ".join(filter(None, (row.clause, row.number)))
            parts.append(f"| {cell(place)} | {cell(row.text.get('ask', ''))} | {row.status()} | {cell(does_cell(row))} "
                         f"| {tests_cell(row)} |\n")
    return "".join(parts)
