#!/usr/bin/env python3
"""Writes a file as a NUL-terminated C array: embed.py INPUT OUTPUT.c SYMBOL."""
import sys

data = open(sys.argv[1], "rb").read() + b"\0"
with open(sys.argv[2], "w") as out:
    out.write(f"extern const char {sys.argv[3]}[{len(data)}];\nconst char {sys.argv[3]}[{len(data)}] = {{\n")
    for i in range(0, len(data), 24):
        out.write(",".join(str(b if b < 128 else b - 256) for b in data[i:i + 24]) + ",\n")
    out.write("};\n")
