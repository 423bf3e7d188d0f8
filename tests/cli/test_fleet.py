#!/usr/bin/env python3
"""fleet plan, run-cell and collect on one machine: what they write, and everything that may be wrong with it.
Arguments and end: harness.py."""
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

from harness import ENV, PROGRAM, ROOT, TMP, main, one_sentence, path, run

MODEL = os.path.join(ROOT, "datasets", "models", "default.gguf")
SMALL = ["-p", "16", "-n", "4", "-r", "1", "--chunks", "1", "-t", "1"]


def state(name, **more):
    return {**ENV, "XDG_STATE_HOME": os.path.join(TMP, "state-" + name), **more}


def plan_of(name, *args):
    out = os.path.join(TMP, name)
    shutil.rmtree(out, ignore_errors=True)
    run("fleet", "plan", *args, "-o", out, *SMALL)
    return out


def cells(plan):
    with open(os.path.join(plan, "cells.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def cell(plan, kind, n=0):
    return [c for c in cells(plan) if c["kind"] == kind][n]


def run_cell(plan, c, who="a", *more, expect=0, **env):
    return run("fleet", "run-cell", c["cell"], "--plan", plan, *more, expect=expect, env=state(who, **env))


def results(plan, c):
    folder = os.path.join(plan, "results", c["cell"])
    return sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".json")) if os.path.isdir(folder) else []


def collect(*args, expect=0, **env):
    """(summary, the folder)"""
    out = os.path.join(TMP, "collected")
    shutil.rmtree(out, ignore_errors=True)
    p = run("fleet", "collect", *args, "-o", out, "--json", expect=expect, env={**ENV, **env})
    return json.loads(p.text), out


def read(*where):
    with open(os.path.join(*where), encoding="utf-8") as f:
        return f.read()


def write(text, *where):
    with open(os.path.join(*where), "w", encoding="utf-8") as f:
        f.write(text)


# ---- plan ----

def test_plan():
    nodes = path("n.csv", b"\xef\xbb\xbfnode,features,ram_gib\r\n# a comment\r\na1,rpi5 neon,0.1\r\nuser@b1,laptop x,8\r\nb2,x laptop,16\r\n")
    plan = plan_of("plan", MODEL, "default", "-f", "q8_0,q4_0,q8_0", "--nodes", nodes, "--frameworks", "own,llama.cpp,mlx")
    every = cells(plan)
    told = json.loads(read(plan, "plan.json"))
    assert len(every) == told["n_cells"] == 2 + 2 * 2, every   # one model, whoever names it; a1 holds nothing; mlx no GGUF
    assert {c["model"] for c in every} == {hashlib.sha256(open(MODEL, "rb").read()).hexdigest()}
    assert [g["nodes"] for g in told["groups"]] == [[], ["a1"], ["user@b1", "b2"]]
    assert told["groups"][2]["features"] == ["laptop", "x"] and told["groups"][2]["ram_gib"] == 8
    reasons = {(x["framework"], x["group"]): x["reason"] for x in told["left_out"]}
    assert "GiB" in reasons[("own", 1)] and "mlx" in reasons[("mlx", 0)], reasons
    assert hashlib.sha256(read(plan, "cells.jsonl").encode()).hexdigest() == told["cells_sha256"]
    assert os.path.samefile(os.path.join(plan, "models", every[0]["model"] + ".gguf"), MODEL)
    speed = cell(plan, "speed")
    assert speed["argv"][:2] == ["bench", "{model}"] and speed["needs"]["features"] == ["laptop", "x"]
    assert read(plan, "groups.tsv").splitlines()[1].split("\t")[:4] == ["2", "laptop&x", "user@b1,b2", "4"]
    again = plan_of("plan again", MODEL, "-f", "q8_0,q4_0", "--nodes", nodes, "--frameworks", "own,llama.cpp")
    assert [c["cell"] for c in cells(again)] == [c["cell"] for c in every], "a cell's id is what it measures"
    for script in ("slurm.sh", "parallel.sh", "run-cell.sh"):
        assert subprocess.run(["bash", "-n", os.path.join(plan, script)]).returncode == 0
    hostile = os.path.join(TMP, "it's $(odd)")
    told = run("fleet", "plan", "default", "-f", "q8_0", "-o", hostile).text
    assert "bash '" + hostile.replace("'", "'\\''") + "'/slurm.sh" in told, told
    told = run("fleet", "plan", "default", "-f", "q8_0", "-o", "-odd").text
    assert "bash ./'-odd'/slurm.sh" in told, told
    for c in cells(plan_of("with options", MODEL, "-f", "q8_0", "--seed", "18446744073709551615", "--isa", "neon", "-t", "2")):
        words = c["argv"]
        assert [words[words.index(o) + 1] for o in ("--seed", "--isa", "-t")][:2] == ["18446744073709551615", "neon"], words
    only = os.path.join(TMP, "only")
    run("fleet", "plan", "default", "-f", "q8_0", "--engine", "slurm", "-o", only)
    assert os.path.exists(os.path.join(only, "slurm.sh")) and not os.path.exists(os.path.join(only, "parallel.sh"))


def test_plan_refused():
    def refuse(*args, words, code):
        p = run("fleet", "plan", *args, expect=code)
        assert words in one_sentence(p), p.err

    def nodes(text):
        return ["default", "-f", "q8_0", "-o", os.path.join(TMP, "no"), "--nodes", path("bad.csv", text)]

    head = b"node,features,ram_gib\n"
    refuse("default", words="-o DIR", code=2)
    refuse("-o", os.path.join(TMP, "no"), words="MODEL", code=2)
    refuse("default", "-o", os.path.join(TMP, "no"), "--engine", "condor", words="slurm or parallel", code=2)
    refuse("default", "-o", os.path.join(TMP, "no"), "-f", "q9_9", words="q9_9", code=2)
    refuse("default", "-o", os.path.join(TMP, "no"), "-f", "q8_0", "--isa", "avx3", words="avx3", code=2)
    refuse("default", "-o", os.path.join(TMP, "no"), "-f", "q8_0", "--frameworks", "lama.cpp", words="lama.cpp", code=2)
    refuse("default", "-o", ROOT, "-f", "q8_0", words="is there already", code=2)
    refuse("default", "-o", os.path.join(TMP, "no"), "-f", "q8_0", "--no-speed", "--no-quality", words="nothing", code=2)
    refuse(*nodes(head + b"a b,x,1\n"), words="line 2", code=1)
    refuse(*nodes(head + b"$(id),x,1\n"), words="line 2", code=1)
    refuse(*nodes(head + b"-oProxyCommand=x,x,1\n"), words="line 2", code=1)
    refuse(*nodes(head + b"a,`id`,1\n"), words="feature", code=1)
    refuse(*nodes(head + b"a,x&y,1\n"), words="feature", code=1)
    refuse(*nodes(head + b"a,x,1\na,y,1\n"), words="twice", code=1)
    refuse(*nodes(head + b"a,x,lots\n"), words="ram_gib", code=1)
    refuse(*nodes(head + b"a,x,nan\n"), words="ram_gib", code=1)
    refuse(*nodes(head), words="no nodes", code=1)
    refuse(*nodes(b""), words="no nodes", code=1)
    refuse(*nodes(b"host,features\na,b\n"), words="first line", code=1)
    refuse(*nodes(b"\x00\xff\xfe"), words="bad.csv", code=1)
    p = run("fleet", "plna", "default", expect=2)
    assert "did you mean plan" in p.err
    assert not os.path.exists(os.path.join(TMP, "no"))


# ---- run-cell ----

def test_run_cell_once_a_machine():
    plan = plan_of("once", "default", "-f", "q8_0")
    c = cell(plan, "quality")
    assert "ok" in run_cell(plan, c).text
    first, = results(plan, c)
    text = read(first)
    body = text[:text.rindex(',"sha256":"')]
    doc = json.loads(text)
    assert hashlib.sha256(body.encode()).hexdigest() == doc["sha256"]
    assert os.path.basename(first) == f"{doc['sha256'][:16]}-{c['cell']}-{doc['machine']['id'][:8]}.json"
    assert hashlib.sha256(read(plan, "plan.json").encode()).hexdigest() == doc["plan_sha256"]
    assert doc["records"][0]["format"]["name"] == "gguf/q8_0" and doc["fingerprint"]["cpu"]["vendor"]
    assert f'"{os.uname().nodename}"' not in text and TMP not in text
    stamp = os.stat(first).st_mtime_ns
    assert "already" in run_cell(plan, c).err and os.stat(first).st_mtime_ns == stamp and results(plan, c) == [first]
    run_cell(plan, c, "b", "--once")
    assert results(plan, c) == [first], "--once: any machine's result will do"
    run_cell(plan, c, "b")
    assert len(results(plan, c)) == 2, "another machine measures for itself"
    run_cell(plan, c, "a", SLURMD_NODENAME="other")
    ids = {json.loads(read(f))["machine"]["id"] for f in results(plan, c)}
    assert len(ids) == 3, "nodes that share a home are told apart"
    run_cell(plan, c, "a", "--again", "--label", "my box")
    labels = sorted(json.loads(read(f))["machine"]["label"] for f in results(plan, c))
    assert len(labels) == 4 and "my box" in labels
    assert not [f for _, _, fs in os.walk(plan) for f in fs if "tmp" in f], "nothing temporary is left"


def test_run_cell_refused():
    plan = plan_of("refused", MODEL, "-f", "q8_0")
    c = cell(plan, "quality")

    def refuse(*args, words, code=1, env=None):
        p = run("fleet", "run-cell", *args, expect=code, env=env or state("a"))
        assert words in one_sentence(p), p.err
        assert results(plan, c) == []

    refuse(c["cell"], words="--plan", code=2)
    refuse(c["cell"], "--plan", TMP, words="plan.json")
    refuse("0123456789abcdef", "--plan", plan, words="no cell", code=2)
    refuse("../../etc", "--plan", plan, words="no cell", code=2)
    refuse(c["cell"], "--plan", plan, "--plan-sha256", "0" * 64, words="planned again")
    refuse(c["cell"], "--plan", plan, "--label", "a\nb", words="control", code=2)
    refuse(c["cell"], "--plan", plan, "--label", b"caf\xe9", words="UTF-8", code=2)
    refuse(c["cell"], "--plan", plan, "--label", "x" * 99, words="63", code=2)
    refuse(c["cell"], "--plan", plan, words="id", env={k: v for k, v in ENV.items() if k not in ("HOME", "XDG_STATE_HOME")})
    deep = TMP
    while len(deep) < 399:   # what a path cut off after 399 bytes would name
        deep = os.path.join(deep, "d" * min(200, 398 - len(deep)))
        os.makedirs(deep, exist_ok=True)
    write("mine", deep, "f")
    refuse(c["cell"], "--plan", plan, words="TMPDIR", env=state("a", TMPDIR=os.path.join(deep, "t")))
    assert len(deep) == 399 and read(deep, "f") == "mine"
    damaged = state("damaged")
    os.makedirs(os.path.join(damaged["XDG_STATE_HOME"], "whichquant"))
    write("not a secret", damaged["XDG_STATE_HOME"], "whichquant", "machine-secret")
    refuse(c["cell"], "--plan", plan, words="damaged", env=damaged)
    model = os.path.join(plan, "models", c["model"] + ".gguf")
    os.remove(model)
    refuse(c["cell"], "--plan", plan, words="is not here: copy it to")
    data = bytearray(open(MODEL, "rb").read())
    data[-7] ^= 1
    with open(model, "wb") as f:
        f.write(data)
    refuse(c["cell"], "--plan", plan, words="not the model that was planned with")
    os.remove(model)
    os.symlink(MODEL, model)
    write("a file", plan, "blocked")
    refuse(c["cell"], "--plan", plan, "--results", os.path.join(plan, "blocked"), words="blocked")
    text = read(plan, "cells.jsonl")
    write(text.replace('"sweep"', '"quantize"'), plan, "cells.jsonl")
    refuse(c["cell"], "--plan", plan, words="cells.jsonl is not the one")
    told = json.loads(read(plan, "plan.json"))
    told["cells_sha256"] = hashlib.sha256(read(plan, "cells.jsonl").encode()).hexdigest()
    write(json.dumps(told), plan, "plan.json")
    refuse(c["cell"], "--plan", plan, words="not quantize")
    write("{}", plan, "plan.json")
    refuse(c["cell"], "--plan", plan, words="not a plan")
    told["fleet_schema"] = 99
    write(json.dumps(told), plan, "plan.json")
    refuse(c["cell"], "--plan", plan, words="newer whichquant")


def status_of(plan, c):
    f, = results(plan, c)
    record, = json.loads(read(f))["records"]
    return record["status"], record["reason"]


def test_failures_are_results():
    nodes = path("isa.csv", b"node,features\na,sse4_2 asimd\n")
    plan = plan_of("failures", "default", "-f", "q8_0,q4_0", "--frameworks", "own,llama.cpp", "--nodes", nodes, "--no-quality")
    c = cell(plan, "speed")
    run_cell(plan, c)
    assert status_of(plan, c)[0] == "cannot-run" and "this machine does not run" in status_of(plan, c)[1]
    plan = plan_of("failures", "default", "-f", "q8_0,q4_0", "--frameworks", "own,llama.cpp", "--no-quality")
    own, missing, crowded = cell(plan, "speed", 0), cell(plan, "speed", 1), cell(plan, "speed", 2)
    assert missing["framework"] == "llama.cpp"
    run_cell(plan, missing, LLAMA_CPP_PATH="/nowhere", PATH="/usr/bin:/bin")
    assert status_of(plan, missing)[0] == "cannot-run" and "install llama.cpp" in status_of(plan, missing)[1]
    run_cell(plan, crowded, "a", "--memory", "1M")
    assert status_of(plan, crowded) == ("cannot-run", status_of(plan, crowded)[1]) and "GiB" in status_of(plan, crowded)[1]
    p = run_cell(plan, own, "a", "--timeout", "1ms", expect=7)
    assert status_of(plan, own) == ("timed-out", "not done after 0 s"), p.text
    run_cell(plan, own, "a", "--timeout", "4294967.3s")   # an attempt is no answer: it is tried again, and 2^32 ms are no 4 ms
    told, out = collect(plan)
    assert (told["n_done"], told["n_failed"], told["n_missing"]) == (3, 0, 1) and not told["warnings"], told
    uses = [r["use"] for x in json.loads(read(out, "collected.json"))["cells"] if x["cell"] == own["cell"] for r in x["results"]]
    assert uses == ["taken", "superseded"]


def test_memory_is_watched():
    """What the plan could not know: the child is ended when it takes more than it may."""
    plan = plan_of("watched", "default", "-f", "q8_0", "--no-speed", "--n-ctx", "512", "--chunks", "100000")
    text = read(plan, "cells.jsonl")
    c = cells(plan)[0]
    low = json.dumps({**c, "needs": {**c["needs"], "ram_gib": 0.001}}, separators=(",", ":")) + "\n"
    assert low != text
    write(low, plan, "cells.jsonl")
    told = json.loads(read(plan, "plan.json"))
    told["cells_sha256"] = hashlib.sha256(low.encode()).hexdigest()
    write(json.dumps(told), plan, "plan.json")
    run_cell(plan, c, "a", "--memory", "2M")
    assert status_of(plan, c) == ("cannot-run", "takes more than 0.00 GiB of memory"), status_of(plan, c)


def test_the_program_is_replaced_while_it_runs():
    """As by a second start of parallel.sh, which copies it again: the running one has no file of its name any more."""
    plan = plan_of("replaced", "default", "-f", "q8_0", "--no-speed", "--n-ctx", "512", "--chunks", "1")
    c = cells(plan)[0]
    fd = os.memfd_create("whichquant", 0)
    with open(PROGRAM, "rb") as f:
        os.write(fd, f.read())
    p = subprocess.run([f"/proc/self/fd/{fd}", "fleet", "run-cell", c["cell"], "--plan", plan], env=state("replaced"),
                       cwd=TMP, pass_fds=[fd], stderr=subprocess.PIPE, timeout=300)
    os.close(fd)
    assert p.returncode == 0, p.stderr
    assert status_of(plan, c)[0] == "ok", status_of(plan, c)


def test_interrupted_and_killed_leave_nothing():
    plan = plan_of("killed", "default", "-f", "q8_0", "--no-speed", "--chunks", "100000")
    c = cells(plan)[0]
    for kill, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130), (signal.SIGINT, 130)):
        p = subprocess.Popen([PROGRAM, "fleet", "run-cell", c["cell"], "--plan", plan], env=state("killed"), cwd=TMP,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        end = time.time() + 60
        while not measuring(p.pid) and time.time() < end:
            time.sleep(0.02)
        child, = measuring(p.pid)
        p.send_signal(kill)
        assert p.wait(60) == code, p.stderr.read()
        while os.path.exists(f"/proc/{child}") and time.time() < end:
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{child}"), "what it started goes on"
        assert results(plan, c) == []
    write(read(plan, "plan.json"), plan, "plan.json")   # and the lock is free again
    assert run_cell(plan, c, "killed", "--timeout", "1ms", expect=7).text.count("timed-out") == 1


def measuring(pid):
    """Its children that measure; others look for drivers."""
    try:
        every = read(f"/proc/{pid}/task/{pid}/children").split()
        return [int(x) for x in every if "--no-speed" in read(f"/proc/{x}/cmdline")]
    except OSError:
        return []


def test_full_disk():
    """A file system of 16 KiB where that can be mounted, else a limit on the size of files: the same write fails."""
    plan = plan_of("full", "default", "-f", "q8_0", "--no-speed")
    c, small = cells(plan)[0], os.path.join(TMP, "small")
    os.makedirs(small)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", small], stderr=subprocess.DEVNULL).returncode == 0
    try:
        if mounted:
            write("x" * 8192, small, "x")
            os.makedirs(os.path.join(small, "r"), exist_ok=True)
            p = run_cell(plan, c, "full", "--results", os.path.join(small, "r"), expect=1)
        else:
            p = subprocess.run([PROGRAM, "fleet", "run-cell", c["cell"], "--plan", plan], env=state("full"), cwd=TMP,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)))
            assert p.returncode != 0
            p.err = p.stderr
        left = [f for _, _, fs in os.walk(small) for f in fs if f != "x"]
        assert left == [] and results(plan, c) == [], left
        assert "No space left" in p.err or not mounted, p.err
    finally:
        if mounted:
            subprocess.run(["umount", small], check=True)


def test_one_cell_at_a_time():
    plan = plan_of("turns", "default", "-f", "q8_0,q4_0,q6_k", "--no-speed")
    p = [subprocess.Popen([PROGRAM, "fleet", "run-cell", c["cell"], "--plan", plan], env=state("turns"), cwd=TMP,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in cells(plan) for _ in range(2)]
    ended = [x.communicate(timeout=120) for x in p]
    assert [x.returncode for x in p] == [0] * 6, ended
    assert [len(results(plan, c)) for c in cells(plan)] == [1, 1, 1], "the second of two waits, then does nothing"


# ---- collect ----

def measured(name, *args):
    plan = plan_of(name, "default", "-f", "q8_0,q4_0", "--no-speed", *args)
    for c in cells(plan):
        run_cell(plan, c)
    return plan


def seal(doc):
    """A result as a forger who knows the format would write it."""
    doc = {k: v for k, v in doc.items() if k != "sha256"}
    body = json.dumps(doc, separators=(",", ":"))[:-1]
    return body + ',"sha256":"' + hashlib.sha256(body.encode()).hexdigest() + '"}\n'


def test_collect_merges():
    plan = measured("merge")
    a, b = cells(plan)
    copy = os.path.join(TMP, "from a stick")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(os.path.join(plan, "results", a["cell"]), copy)
    told, out = collect(plan, copy, "--strict")
    assert (told["n_cells"], told["n_done"], told["n_results"], told["n_duplicates"]) == (2, 2, 2, 1), told
    first = {f: read(out, f) for f in os.listdir(out)}
    assert sorted(first) == ["collected.json", "machines.json", "missing.txt", "records.jsonl"] and first["missing.txt"] == ""
    _, out = collect(copy, plan)
    assert read(out, "records.jsonl") == first["records.jsonl"], "the order of the arguments does not count"
    records = [json.loads(line) for line in first["records.jsonl"].splitlines()]
    assert [r["fleet"]["cell"] for r in records] == [a["cell"], b["cell"]]
    machine, = json.loads(first["machines.json"])["machines"]
    assert machine["n_cells"] == 2 and machine["fingerprints"][0]["env_sha256"] == records[0]["env_sha256"]
    shutil.rmtree(os.path.join(plan, "results", b["cell"]))
    told, out = collect(plan, "--strict", expect=7)
    assert told["n_missing"] == 1 and read(out, "missing.txt") == b["cell"] + "\n"
    told, _ = collect(plan)
    assert told["n_missing"] == 1
    store = os.path.join(TMP, "fleet.db")
    for _ in range(2):
        assert run("import", os.path.join(out, "records.jsonl"), "--store", store).text.startswith("1 records")
    again = json.loads(run("decide", "--records", os.path.join(out, "records.jsonl"), "--json", expect=None).text)
    assert "rows" in again


def test_collect_refuses():
    plan = measured("tampered")
    a, b = cells(plan)
    good, = results(plan, a)
    text = read(good)
    doc = json.loads(text)
    folder = os.path.join(TMP, "bad results")

    def refused(content, words):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, "r.json"), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        told, _ = collect(plan, folder, expect=1)
        assert [os.path.basename(x["file"]) for x in told["refused"]] == ["r.json"], told
        assert words in told["refused"][0]["reason"] and told["n_done"] == 2, (words, told["refused"])

    refused(text.replace('"status":"ok"', '"status":"OK"', 1), "changed")
    refused(text.replace(doc["measured_at"], "2031-01-01T00:00:00Z", 1), "changed")
    refused(text[:-20], "cut")
    refused(text[: len(text) // 2], "cut")
    refused("", "cut")
    refused(b"\0" * 500, "cut")
    refused(b"\xff\xfe" * 500, "cut")
    refused("[" * 100000, "cut")
    refused(seal({"a": 1}), "not a result")
    refused(seal({**doc, "plan_sha256": "1" * 64}), "plan that is not here")
    refused(seal({**doc, "cell": "1" * 16}), "is not in the plan")
    refused(seal({**doc, "cell": "../../../etc/x"}), "member")
    refused(seal({**doc, "cell": b["cell"]}), "another model or format")
    refused(seal({**doc, "measured_at": "yesterday"}), "no date")
    refused(seal({**doc, "status": "splendid"}), "member")
    refused(seal({**doc, "machine": {"id": "me", "label": "x"}}), "member")
    refused(seal({**doc, "machine": 7}), "member")
    refused(seal({**doc, "records": []}), "member")
    refused(seal({**doc, "records": [7]}), "")
    refused(seal({**doc, "records": [{**doc["records"][0], "schema": 99}]}), "")
    refused(seal({**doc, "fleet_schema": 99}), "newer whichquant")
    refused(seal(doc)[:-3] + 'x"}\n', "cut")
    p = run("fleet", "collect", plan, folder, "-o", os.path.join(TMP, "o"), expect=1)
    assert "refused: " in p.err and "r.json" in p.err and "2 of 2 cells done" in p.text


def test_collect_refused():
    plan = plan_of("usage", "default", "-f", "q8_0", "--no-speed")

    def refuse(*args, words, code=1):
        assert words in one_sentence(run("fleet", "collect", *args, expect=code))

    refuse(plan, words="-o OUT", code=2)
    refuse(os.path.join(TMP, "nowhere"), "-o", os.path.join(TMP, "o"), words="no plan.json")
    refuse(plan, os.path.join(TMP, "nowhere"), "-o", os.path.join(TMP, "o"), words="no such file")
    refuse(plan, "-o", os.path.join(plan, "plan.json"), words="plan.json")
    refuse(plan, "-o", os.path.join(TMP, "o"), "--allowed-signers", os.path.join(TMP, "nobody"), words="no such file")
    write(read(plan, "plan.json") + " ", plan, "plan.json")   # another hash: old results would be of no plan
    told, _ = collect(plan)
    assert told["n_missing"] == 1


def test_contradictions_clocks_and_names():
    plan = measured("odd", "--no-speed")
    a, b = cells(plan)
    run_cell(plan, a, "a", "--again", SOURCE_DATE_EPOCH=str(int(time.time()) + 60))
    run_cell(plan, a, "b", "--label", "twin")
    run_cell(plan, a, "c", "--label", "twin")
    run_cell(plan, b, "d", "--label", "late", SOURCE_DATE_EPOCH="4000000000")
    run_cell(plan, b, "e", "--label", "early", SOURCE_DATE_EPOCH="1000000000")
    told, out = collect(plan)
    assert told["n_machines"] == 5 and told["n_results"] == 7 and told["refused"] == []
    sentences = "\n".join(told["warnings"])
    for words in ("measured more than once", "2 machines call themselves twin", "clock of late is wrong: it measured in the future",
                  "clock of early is wrong: it measured before"):
        assert sentences.count(words) == 1, sentences
    machines = {m["label"]: m for m in json.loads(read(out, "machines.json"))["machines"]}
    twins = [label for label in machines if label.startswith("twin#")]
    assert len(twins) == 2 and machines["late"]["clock"] == "ahead" and machines["early"]["clock"] == "behind"
    of_a = next(c for c in json.loads(read(out, "collected.json"))["cells"] if c["cell"] == a["cell"])
    mine = [r for r in of_a["results"] if not r["label"].startswith("twin")]
    assert [r["use"] for r in mine] == ["taken", "contradicts"] and mine[0]["measured_at"] > mine[1]["measured_at"]
    records = [json.loads(line) for line in read(out, "records.jsonl").splitlines()]
    assert len(records) == 6 and len({(r["fleet"]["cell"], r["fleet"]["machine"]) for r in records}) == 6
    run_cell(plan, a, "a", "--again", SOURCE_DATE_EPOCH="4000000000")   # a wrong clock is not the newest
    _, out = collect(plan)
    of_a = next(c for c in json.loads(read(out, "collected.json"))["cells"] if c["cell"] == a["cell"])
    mine = [r for r in of_a["results"] if not r["label"].startswith("twin")]
    assert mine[0]["clock"] == "right" and [r["use"] for r in mine] == ["taken", "contradicts", "contradicts"]


def test_signatures():
    plan = plan_of("signed", "default", "-f", "q8_0,q4_0", "--no-speed")
    a, b = cells(plan)
    for name in ("lab", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(TMP, name)], check=True)
    allowed = path("allowed", b"lab@example.org " + open(os.path.join(TMP, "lab.pub"), "rb").read())
    run_cell(plan, a, "a", "--sign-key", os.path.join(TMP, "lab"))
    run_cell(plan, b, "a", "--sign-key", os.path.join(TMP, "stranger"))
    run_cell(plan, b, "b")
    told, out = collect(plan, "--allowed-signers", allowed, expect=1)
    assert (told["n_done"], told["n_missing"]) == (1, 1) and len(told["refused"]) == 2, told
    reasons = sorted(x["reason"] for x in told["refused"])
    assert "not signed" in reasons[0] and "signer is not on the list" in reasons[1], reasons
    assert json.loads(read(out, "records.jsonl"))["fleet"]["signer"] == "lab@example.org"
    forged, = results(plan, a)
    doc = json.loads(read(forged))
    write(seal({**doc, "measured_at": "2026-01-01T00:00:00Z"}), forged)   # the hash fits again, the signature does not
    told, _ = collect(plan, "--allowed-signers", allowed, expect=1)
    assert any("signature does not fit" in x["reason"] for x in told["refused"]), told
    p = run_cell(plan, b, "c", "--sign-key", os.path.join(TMP, "no key"), expect=1)
    assert "no such file" in one_sentence(p) and len(results(plan, b)) == 2
    write("no key at all", TMP, "junk")
    p = run_cell(plan, b, "c", "--sign-key", os.path.join(TMP, "junk"), expect=1)
    assert "could not be signed" in one_sentence(p) and len(results(plan, b)) == 2


if __name__ == "__main__":
    sys.exit(main(globals()))
