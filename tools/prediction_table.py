#!/usr/bin/env python3
"""Writes the table of prediction errors into docs/PREDICTION.md: prediction_table.py WHICHQUANT [--check].
With --check nothing is written; exits 1 when the document is not what the program says."""
import json
import os
import subprocess
import sys

START, END = "<!-- table: tools/prediction_table.py -->", "<!-- end of the table -->"
PEERS = ["llmfit", "whichllm", "ggufit"]


def percent(v):
    return "" if v is None else f"{100 * v:.0f} %"


def cells(e):
    if not e["n"]:
        return [e["name"], "0", "0", "", "", "", "", "", "", "", f"{e['refused']}: {e['refused_why'] or ''}"]
    refused = f"{e['refused']}: {e['refused_why']}" if e["refused"] else "0"
    return [e["name"], e["n"], e["devices"], percent(e["median_error"]), percent(e["median_error_of_devices"]),
            f"{e['within_90']} of {e['n']} ({percent(e['within_90'] / e['n'])})", f"x{e['interval_factor']:.2f}",
            *[percent(e[p]) for p in PEERS], refused]


def table(errors, phase):
    head = ["class", "n", "devices", "median error", "of devices", "within the 90 % interval", "its factor", *PEERS, "refused"]
    if phase == "prefill":
        errors = [{**e, **{p: None for p in PEERS}} for e in errors]
    rows = [head, ["---"] * len(head)] + [cells(e) for e in errors if e["phase"] == phase]
    return "\n".join("| " + " | ".join(str(c) for c in r) + " |" for r in rows)


def main():
    out = subprocess.run([sys.argv[1], "list", "prediction", "--json"], capture_output=True, text=True, check=True)
    errors = json.loads(out.stdout)
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "PREDICTION.md")
    with open(path, encoding="utf-8") as f:
        old = f.read()
    before, rest = old.split(START, 1)
    after = rest.split(END, 1)[1]
    new = (f"{before}{START}\n### Decode\n\n{table(errors, 'decode')}\n\n### Prefill\n\n{table(errors, 'prefill')}\n{END}{after}")
    if "--check" in sys.argv:
        if new != old:
            print(f"docs/PREDICTION.md is not current: run tools/prediction_table.py {sys.argv[1]}")
        return new != old
    with open(path, "w", encoding="utf-8") as f:
        f.write(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
