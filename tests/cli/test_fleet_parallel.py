#!/usr/bin/env python3
"""A fleet of three hosts through GNU parallel over ssh (fakessh: a folder is a host): nothing is shared, everything is
killed midway, it goes on where it was. Arguments and end: harness.py."""
import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from harness import ENV, PROGRAM, ROOT, TMP, main, path, run

FORMATS = "q8_0,q4_0,q4_1,q5_0,q5_1,q6_k,q5_k_m,q4_k_m,q3_k_m,iq4_nl"
HOSTS = os.path.join(TMP, "hosts")
FAR = {**ENV, "FAKE_HOSTS": HOSTS, "FLEET_SSH": os.path.join(ROOT, "tests", "cli", "fakessh"), "FLEET_RETRIES": "2"}
FAR.pop("SHELL", None)  # a host, as under cron, may have none


def lines(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return f.read().splitlines()


def make_plan(name):
    nodes = path(name + ".csv", b"node,features,ram_gib\nn1,rpi5 neon,4\nuser@n2,laptop,4\nn3,laptop,4\n")
    plan = os.path.join(TMP, name)
    model = path("it's a model.gguf", open(os.path.join(ROOT, "datasets", "models", "default.gguf"), "rb").read())
    told = json.loads(run("fleet", "plan", model, "-o", plan, "--formats", FORMATS, "--nodes", nodes, "-p", "16", "-n", "4",
                          "-r", "1", "--chunks", "1", "-t", "1", "--json").text)
    binary = os.path.join(plan, "bin", os.uname().machine)
    os.makedirs(binary)
    shutil.copy(PROGRAM, binary)
    return plan, told["n_cells"]


def start(plan, *args, **more):
    return subprocess.Popen(["bash", os.path.join(plan, "parallel.sh"), *args], env={**FAR, **more}, cwd="/", text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def finish(plan, *args, **more):
    p = start(plan, *args, **more)
    out, err = p.communicate(timeout=300)
    assert p.returncode == 0, f"exit {p.returncode}: {out}\n{err}"


def results_here(plan):
    return [f for _, _, files in os.walk(os.path.join(plan, "results")) for f in files]


def test_killed_midway_and_resumed():
    plan, n_cells = make_plan("a plan; with $(odd) 'name'")
    assert n_cells >= 30
    p = start(plan)
    end = time.time() + 120
    while len(results_here(plan)) < 8:
        assert time.time() < end and p.poll() is None, p.communicate()
        time.sleep(0.1)
    os.killpg(p.pid, signal.SIGKILL)
    p.communicate()
    done = len(results_here(plan))
    assert done < n_cells, "it was done before it was killed"
    finish(plan)
    out = os.path.join(TMP, "out")
    told = json.loads(run("fleet", "collect", plan, "-o", out, "--json", "--strict").text)
    assert (told["n_done"], told["n_missing"], told["n_machines"], told["refused"]) == (n_cells, 0, 3, []), told
    cells = [json.loads(line) for line in lines(plan, "cells.jsonl")]
    records = [json.loads(line) for line in lines(out, "records.jsonl")]
    counted = collections.Counter((r["fleet"]["cell"], r["fleet"]["machine"]) for r in records)
    assert set(counted.values()) == {1}, counted
    assert {r["fleet"]["cell"] for r in records} == {c["cell"] for c in cells}
    where = collections.defaultdict(set)
    for r in records:
        assert r["status"] == "ok", (r["status"], r["reason"])
        where[r["fleet"]["group"]].add(r["fleet"]["label"])
    assert where[1] == {"n1"} and where[2] <= {"n2", "n3"} and where[0] <= {"n1", "n2", "n3"}, where
    with open(os.path.join(out, "records.jsonl"), encoding="utf-8") as f:
        text = f.read()
    assert f'"{os.uname().nodename}"' not in text and PROGRAM not in text, "the host's name or a path stands in the records"
    missing_only(plan, out, n_cells)


def missing_only(plan, out, n_cells):
    """Results that are lost here and there are measured again, those alone."""
    lost = sorted(os.listdir(os.path.join(plan, "results")))[:2]
    for folder, _, _ in [w for w in os.walk(TMP) if os.path.basename(w[0]) in lost]:
        shutil.rmtree(folder)
    run("fleet", "collect", plan, "-o", out)
    assert sorted(lines(out, "missing.txt")) == lost
    before = set(results_here(plan))
    finish(plan, os.path.join(out, "missing.txt"))
    assert before < set(results_here(plan)) and len(set(results_here(plan)) - before) == 2
    assert json.loads(run("fleet", "collect", plan, "-o", out, "--json").text)["n_done"] == n_cells


def test_signed_on_the_hosts():
    key = os.path.join(TMP, "the lab's key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with open(key + ".pub", "rb") as f:
        allowed = path("allowed", b"lab@example.org " + f.read())
    plan = os.path.join(TMP, "signed")
    run("fleet", "plan", "default", "-o", plan, "-f", "q8_0", "--no-speed", "--chunks", "1")
    finish(plan, FLEET_HOSTS="n1,n3", FLEET_SIGN_KEY=key, WHICHQUANT=PROGRAM)
    told = json.loads(run("fleet", "collect", plan, "-o", os.path.join(TMP, "signed-out"), "--allowed-signers", allowed,
                          "--json", "--strict").text)
    assert told["n_done"] == 1 and told["refused"] == [], told


def test_a_host_that_is_not_there():
    """Its cells are tried, told of, and listed."""
    plan = os.path.join(TMP, "gone")
    run("fleet", "plan", "default", "-o", plan, "-f", "q8_0", "--no-speed", "--chunks", "1")
    p = start(plan, FLEET_SSH="/bin/false", FLEET_HOSTS="nobody", FLEET_RETRIES="1")
    _, err = p.communicate(timeout=120)
    assert p.returncode == 1 and "some cells have no result" in err, (p.returncode, err)
    assert run("fleet", "collect", plan, "-o", os.path.join(TMP, "none"), "--strict", expect=7).text.startswith("0 of 1 cells")


if __name__ == "__main__":
    if not shutil.which("parallel") or not shutil.which("rsync"):
        print("no GNU parallel or no rsync")
        sys.exit(77)
    sys.exit(main(globals()))
