#!/usr/bin/env python3
"""Answers on the way to the answer: on a terminal each takes the place of the one before, elsewhere it is a line. The
terminal here is a small one of our own. Arguments and end: harness.py."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from harness import ENV, PROGRAM, TMP, main, run


class Screen:
    """As much of a terminal as the program asks for: \\r, \\n, wrapped lines, clear to the end, cursor up."""

    def __init__(self, rows, columns):
        self.rows, self.columns, self.lines, self.row, self.column, self.top = rows, columns, [""], 0, 0, 0

    def feed(self, text):
        for code, n, char in re.findall(r"\x1b\[([0-9;]*)([A-Za-z])|([^\x1b])", text):
            if char:
                self.put(char)
            elif n == "A":      # not above the first line that is still on it
                self.row = max(self.row - int(code), self.top)
            elif n in "KJ":
                self.lines[self.row] = self.lines[self.row][:self.column]
                self.lines = self.lines if n == "K" else self.lines[:self.row + 1]

    def put(self, char):
        if char == "\r":
            self.column = 0
            return
        if char != "\n" and self.column == self.columns:
            self.put("\n")
        if char == "\n":
            self.row, self.column = self.row + 1, 0
            self.lines += [""] * (self.row + 1 - len(self.lines))
            self.top = max(self.top, self.row + 1 - self.rows)
            return
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + char + line[self.column + 1:]
        self.column += 1


def on_terminal(rows, *args):
    """What stands on the terminal after each piece that was printed."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
    env = {k: v for k, v in ENV.items() if k != "CI"}
    p = subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=child, stderr=child, env={**env, "TERM": "xterm"},
                         cwd=TMP)
    os.close(child)
    screen, seen = Screen(rows, 80), []
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:     # the other end is closed
            break
        if not piece:
            break
        screen.feed(piece.decode("utf-8", "replace"))
        seen.append("\n".join(screen.lines))
    os.close(parent)
    assert p.wait() == 0
    return seen


def test_a_better_answer_takes_the_place_of_the_first():
    args = ["default", "-f", "q8_0,q4_0,onnx/int4-g32-sym", "--chunks", "1", "--budget", "6s", "--prompt", "16", "--gen", "4"]
    for rows in 60, 12:     # the second one is too low for all of it
        seen = on_terminal(rows, *args)
        first = next(s for s in seen if "measuring goes on" in s)
        assert first.count("USE ") == 1 and "estimate: nothing measured yet" in first
        assert ("decode tok/s" in first) == (rows == 60)
        last = seen[-1]
        assert last.count("USE ") == 1 and "measuring goes on" not in last and "estimate:" not in last, last
        assert "RUN " in last and "decode tok/s" in last
        assert "[" not in last.split("\n")[-1]      # no progress left


def test_elsewhere_the_first_answer_is_a_line():
    p = run("default", "-f", "q8_0", "--chunks", "1", "--budget", "4s", "--prompt", "16", "--gen", "4")
    assert p.err.count("estimate (nothing measured yet): USE ") == 1 and p.text.startswith("USE "), p.err
    p = run("default", "-f", "q8_0", "--chunks", "1", "--budget", "4s", "--prompt", "16", "--gen", "4", "-q")
    assert p.err == ""


if __name__ == "__main__":
    sys.exit(main(globals()))
