#!/usr/bin/env python3
"""The rules of CONTRIBUTING.md that a machine can check: layers, names, lengths, what may not be below cli/.
Usage: lint.py SOURCE_ROOT. Prints one line per finding; exits 1 when there is one."""
import os
import re
import subprocess
import sys

# Lowest first; a file may include its own layer and those below. The longest matching prefix counts.
LAYERS = ["base", "kernels/formats", "kernels", "bench/stats", "bench/artifact", "bench/engine", "bench/quant",
          "bench/export", "bench/record", "bench/runners", "bench", "matrix", "reports", "cli"]
SIDE = {"probe": {"base"}, "datasets": {"base"}}          # used from bench upward
SIDE_FROM = "bench/record"
ALSO = {"bench/metrics.def": "bench/record"}              # the figures of a record
FORBIDDEN_NAMES = {"utils", "util", "common", "misc", "helpers", "helper", "manager"}
MAX_FILE, MAX_FUNCTION = 500, 60
LONG_FUNCTIONS = ("engine_forward", "engine_layer", "attention_")   # read top to bottom
BELOW_CLI = re.compile(r"(?<![\w.>])(printf|puts|putchar|perror|exit|abort|assert|system|popen)\s*\(")
FUNCTION = re.compile(r"^[A-Za-z_][\w\s\*]*?\b(\w+)\([^;{}]*\)\s*$")


def tracked(root):
    out = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True)
    if out.returncode == 0 and out.stdout:
        return out.stdout.split("\n")[:-1]
    found = []
    for folder, dirs, files in os.walk(root):
        dirs[:] = [d for d in dirs if not d.startswith((".", "build"))]
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return found


def layer(path):
    hits = [name for name in LAYERS + list(SIDE) if path == name or path.startswith((name + "/", name + ".", name + "_"))]
    if path in ALSO:
        return ALSO[path]
    return max(hits, key=len) if hits else None


def may_include(own, other):
    if own == other or other is None or own is None:
        return True
    if own in SIDE:
        return other in SIDE[own]
    if other in SIDE:
        return LAYERS.index(own) >= LAYERS.index(SIDE_FROM)
    return LAYERS.index(other) <= LAYERS.index(own)


def strip_comments(text):
    keep_lines = lambda m: re.sub(r"[^\n]", "", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', keep_lines, text, flags=re.S)


def functions(code):
    """(name, first line, number of lines) of every function whose brace stands on a line of its own."""
    lines = code.split("\n")
    for i, line in enumerate(lines):
        if line != "{" or i == 0:
            continue
        j = i - 1
        head = lines[j]
        while j > 0 and "(" not in head:
            j -= 1
            head = lines[j] + " " + head
        name = re.search(r"(\w+)\s*\(", head)
        end = next((k for k in range(i, len(lines)) if lines[k] == "}"), len(lines))
        if name:
            yield name.group(1), j + 1, end - i - 1


def check_c(path, text, say):
    code = strip_comments(text)
    own = layer(path)
    for number, line in enumerate(text.split("\n"), 1):
        include = re.match(r'#include "([^"]+)"', line)
        if include and not may_include(own, layer(include.group(1))):
            say(number, f"layer {own} may not include {include.group(1)}")
        if len(line) > 120:
            say(number, "longer than 120 columns")
    for number, line in enumerate(code.split("\n"), 1):
        if re.search(r"\btypedef\s+(struct|union|enum)\b", line):
            say(number, "no typedef for structs")
        call = BELOW_CLI.search(line)
        if call and own not in ("cli", None):
            say(number, f"{call.group(1)}() below cli/")
    if not text.lstrip().startswith("/*"):
        say(1, "opens without saying what the file is for")
    if text.count("\n") > MAX_FILE and not re.search(r"tables? aside", text[:1200]):
        say(1, f"{text.count(chr(10))} lines, more than {MAX_FILE}")
    if path.startswith("kernels/") and path.count("/") == 2 and not path.startswith("kernels/formats"):
        return   # kernels may be long where they read top to bottom
    for name, number, length in functions(code):
        if length > MAX_FUNCTION and not name.startswith(LONG_FUNCTIONS):
            say(number, f"{name} has {length} lines, more than {MAX_FUNCTION}")


def main():
    root = sys.argv[1]
    findings = []
    for path in tracked(root):
        full = os.path.join(root, path)
        stem = os.path.basename(path).split(".")[0]
        if stem in FORBIDDEN_NAMES:
            findings.append(f"{path}: a name that says nothing")
        if path.endswith((".c", ".h")) and os.path.exists(full) and not path.startswith("tests/"):
            with open(full, encoding="utf-8") as f:
                check_c(path, f.read(), lambda n, what, p=path: findings.append(f"{p}:{n}: {what}"))
    print("\n".join(findings) if findings else "clean")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
