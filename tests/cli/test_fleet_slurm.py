#!/usr/bin/env python3
"""A fleet of three Slurm nodes: planned, run, one node killed with all that ran there, collected. The nodes are three
slurmd on this machine (slurm_cluster.py). Arguments and end: harness.py."""
import collections
import json
import os
import shutil
import subprocess
import sys
import time

import slurm_cluster
from harness import ENV, PROGRAM, TMP, main, path, run

FORMATS = "q8_0,q4_0,q4_1,q5_0,q5_1,q6_k,q5_k_m,q4_k_m,q3_k_m,iq4_nl"
STATE = {**ENV, "XDG_STATE_HOME": os.path.join(TMP, "state"), "WHICHQUANT": PROGRAM}


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return json.load(f) if name.endswith(".json") else f.read()


def results(plan):
    return [f for _, _, files in os.walk(os.path.join(plan, "results")) for f in files if f.endswith(".json")]


def submit(cluster, plan, *args):
    p = subprocess.run(["bash", os.path.join(plan, "slurm.sh"), *args], env={**cluster.env, **STATE}, cwd="/", text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert p.returncode == 0, p.stderr
    return p.stdout.split()


def kill_busy_node(cluster, plan):
    """n2 while it runs a cell, and some are done."""
    cluster.wait(lambda: len(results(plan)) >= 6 and any(j[0] == "RUNNING" and j[1] == "n2" for j in cluster.jobs()) and
                 cluster.kill_node("n2"), 120, "n2 never got a cell")


def run_fleet(cluster, plan):
    arrays = submit(cluster, plan)
    assert len(arrays) == 3, arrays
    kill_busy_node(cluster, plan)
    cluster.wait(lambda: cluster.states().get("n2", "").startswith("down"), 60, "Slurm never saw that n2 is gone")
    cluster.start_node("n2")
    cluster.wait(lambda: not cluster.jobs(), 300, "the jobs never ended")
    with open(os.path.join(cluster.folder, "ctld.log"), encoding="utf-8") as f:
        assert "equeu" in f.read(), "nothing was requeued: the node died idle"


def check_collected(plan, out, n_cells):
    told = json.loads(run("fleet", "collect", plan, "-o", out, "--json", "--strict").text)
    assert (told["n_done"], told["n_failed"], told["n_missing"], told["n_cells"]) == (n_cells, 0, 0, n_cells), told
    assert told["refused"] == [] and told["n_machines"] == 3, told
    cells = [json.loads(line) for line in read(plan, "cells.jsonl").splitlines()]
    taken = collections.Counter(json.loads(line)["fleet"]["cell"] for line in read(out, "records.jsonl").splitlines())
    assert taken == collections.Counter(c["cell"] for c in cells), "a cell is lost or doubled"
    where = collections.defaultdict(set)
    for line in read(out, "records.jsonl").splitlines():
        record = json.loads(line)
        where[record["fleet"]["group"]].add(record["fleet"]["machine"])
        assert record["status"] == "ok", (record["status"], record["reason"])
    assert len(where[1]) == 1 and len(where[2]) == 2 and not where[1] & where[2], "cells ran on nodes without their features"


def test_three_nodes_one_dies():
    nodes = path("nodes.csv", b"node,features,ram_gib\nn1,rpi5 neon,4\nn2,laptop,4\nn3,laptop,4\n")
    plan, out = os.path.join(TMP, "the plan"), os.path.join(TMP, "out")
    told = json.loads(run("fleet", "plan", "default", "-o", plan, "--formats", FORMATS, "--nodes", nodes, "-p", "16",
                          "-n", "4", "-r", "1", "--chunks", "1", "-t", "1", "--json").text)
    assert told["n_cells"] >= 30 and told["n_groups"] == 3, told
    folder = os.path.join(TMP, "slurm")
    os.makedirs(folder)
    cluster = slurm_cluster.Cluster(folder, {"n1": "rpi5,neon", "n2": "laptop", "n3": "laptop"}, STATE)
    try:
        cluster.start()
        started = time.time()
        run_fleet(cluster, plan)
        print(f"{told['n_cells']} cells, one node killed: {time.time() - started:.0f} s", flush=True)
        check_collected(plan, out, told["n_cells"])
        check_report(out)
        rerun_what_is_missing(cluster, plan, out, told["n_cells"])
    finally:
        cluster.stop()


def check_report(out):
    """Each machine that measured is a column of the comparison."""
    labels = {m["label"] for m in read(out, "machines.json")["machines"]}
    told = run("fleet", "report", out, "--json", expect=None)
    assert told.returncode in (0, 4) and all(label in told.text for label in labels), (told.returncode, told.err, told.text[:500])


def rerun_what_is_missing(cluster, plan, out, n_cells):
    lost = sorted(os.listdir(os.path.join(plan, "results")))[::9]
    for cell in lost:
        shutil.rmtree(os.path.join(plan, "results", cell))
    before = {f: os.path.getmtime(os.path.join(d, f)) for d, _, fs in os.walk(os.path.join(plan, "results")) for f in fs}
    assert run("fleet", "collect", plan, "-o", out, "--strict", expect=7).text.count("the rest: bash") == 2
    assert read(out, "missing.txt").split() == [c for c in order(plan) if c in lost]
    submit(cluster, plan, os.path.join(out, "missing.txt"))
    cluster.wait(lambda: not cluster.jobs(), 300, "the missing cells never ended")
    check_collected(plan, out, n_cells)
    after = {f: os.path.getmtime(os.path.join(d, f)) for d, _, fs in os.walk(os.path.join(plan, "results")) for f in fs}
    assert before.items() <= after.items() and len(after) == len(before) + len(lost), "others were measured again"


def order(plan):
    return [json.loads(line)["cell"] for line in read(plan, "cells.jsonl").splitlines()]


if __name__ == "__main__":
    if not slurm_cluster.available():
        print("no slurm-wlm")
        sys.exit(77)
    sys.exit(main(globals()))
