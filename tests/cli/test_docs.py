#!/usr/bin/env python3
"""Commands of the documents, run as they stand. In docs/*.md a fenced block whose first line is

    ```sh test            or            ```sh test exit=3 needs=parallel,sbatch

is run by bash -eu in a folder of its document's own, in the order of the document, with `whichquant` on PATH and a data
folder of its own; exit= is the code it ends with (0). A block ```text output behind it holds lines that its output must
have, in that order; `...` stands for anything. needs= names programs without which the block, and all behind it, is
skipped. Arguments and end: harness.py; a further argument names one document."""
import os
import re
import shutil
import subprocess
import sys

from harness import ENV, PROGRAM, ROOT, TMP, Skip, main

FENCE = re.compile(r"^```(\S*)[ \t]*([^\n]*)\n(.*?)^```[ \t]*$", re.M | re.S)


def blocks(text):
    """[(line, attributes, script, wanted lines)] of what is to be run."""
    found = []
    for m in FENCE.finditer(text):
        words = m[2].split()
        line = text.count("\n", 0, m.start()) + 1
        if m[1] == "sh" and "test" in words:
            found.append((line, dict(w.split("=", 1) for w in words if "=" in w), m[3], []))
        elif m[1] == "text" and "output" in words:
            assert found, f"line {line}: an output without a command"
            found[-1][3].extend(x.strip() for x in m[3].splitlines() if x.strip() not in ("", "..."))
    return found


def has_in_order(output, wanted):
    at = 0
    for line in wanted:
        pattern = ".*?".join(re.escape(part.strip()) for part in line.split("..."))
        m = re.compile(pattern.replace(r"\ ", r"\s+")).search(output, at)
        if not m:
            return line
        at = m.end()
    return None


def run_document(name):
    with open(os.path.join(ROOT, "docs", name), encoding="utf-8") as f:
        todo = blocks(f.read())
    folder = os.path.join(TMP, name)
    os.makedirs(os.path.join(folder, "bin"))
    os.symlink(PROGRAM, os.path.join(folder, "bin", "whichquant"))
    env = {**ENV, "PATH": os.path.join(folder, "bin") + ":" + ENV["PATH"], "XDG_DATA_HOME": os.path.join(folder, "data"),
           "DOCS": os.path.join(ROOT, "docs"), "HOME": folder}
    for line, attributes, script, wanted in todo:
        for program in filter(None, attributes.get("needs", "").split(",")):
            if not shutil.which(program):
                raise Skip(f"{name} line {line}: no {program}")
        p = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        output, code = p.stdout.decode("utf-8", "replace"), int(attributes.get("exit", 0))
        assert p.returncode == code, f"docs/{name} line {line}: exit {p.returncode}, wanted {code}\n{script}\n{output[-3000:]}"
        missing = has_in_order(output, wanted)
        assert missing is None, f"docs/{name} line {line}: no {missing!r} in\n{output[-3000:]}"
    return len(todo)


def test_the_reader_of_blocks():
    text = "a\n```sh test exit=3\nfalse\n```\n```text output\nx ... y\n...\n```\n```sh\nnot run\n```\n"
    assert blocks(text) == [(2, {"exit": "3"}, "false\n", ["x ... y"])]
    assert has_in_order("1\nx  and y\nz\n", ["x ... y", "z"]) is None
    assert has_in_order("z\nx and y\n", ["x ... y", "z"]) == "z"


def document_test(name):
    def test():
        assert run_document(name) > 0
    return test


for document in sorted(os.listdir(os.path.join(ROOT, "docs"))):
    if document.endswith(".md"):
        with open(os.path.join(ROOT, "docs", document), encoding="utf-8") as f:
            if blocks(f.read()):
                globals()["test_" + document[:-3].lower()] = document_test(document)

if __name__ == "__main__":
    sys.exit(main(globals()))
