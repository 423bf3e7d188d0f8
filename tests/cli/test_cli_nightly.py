#!/usr/bin/env python3
"""Nights: figures of other programs imported, one night after another measured, judged and written, whatever goes wrong
in between. Arguments and end: harness.py."""
import fcntl
import json
import os
import re
import resource
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import postgres
from harness import ENV, PROGRAM, ROOT, TMP, main, one_sentence, path, run

SLOW = os.environ.get("WHICHQUANT_SLOW", PROGRAM)   # the same program, built with -Dtest_hooks=true


def query(store, sql):
    with sqlite3.connect(store) as db:
        return db.execute(sql).fetchall()


# ---- figures of other programs ----

FOREIGN = b"""\xef\xbb\xbfMetric,Value,Unit,Better,Date,Commit
"tokens, per second",100.5,tok/s,higher,2026-11-20,abc
"tokens, per second",101.5,tok/s,higher,2026-11-20,abc
ttft,0.25,s,lower,2026-11-20,abc
"tokens, per second",99,tok/s,1,2026-11-21T03:00:00+01:00,abd\r
ttft,0.5,s,-1,1795226400,abd
"""


def test_foreign_figures():
    store, file = os.path.join(TMP, "foreign.db"), path("vllm.csv", FOREIGN)
    assert run("import", file, "--store", store).text.startswith("vllm: 4 figures in 2 runs, into ")
    runs = json.loads(run("import", file, "--store", store, "--json").text)     # again: nothing is doubled
    assert [(r["source"], r["date"], r["commit"]) for r in runs] == [
        ("vllm", "2026-11-20T00:00:00Z", "abc"), ("vllm", "2026-11-21T02:00:00Z", "abd")]
    assert runs[0]["metrics"][0] == {"metric": "tokens, per second", "unit": "tok/s", "better": 1, "values": [100.5, 101.5]}
    points = query(store, "SELECT s.metric, s.unit, s.better, p.time, p.value, p.n FROM series s JOIN series_point p"
                          " ON p.series = s.id ORDER BY s.metric, p.time")
    assert points == [("tokens, per second", "tok/s", 1, 1795132800, 101.0, 2), ("tokens, per second", "tok/s", 1, 1795226400, 99.0, 1),
                      ("ttft", "s", -1, 1795132800, 0.25, 1), ("ttft", "s", -1, 1795226400, 0.5, 1)], points
    here = json.loads(run("probe", "--json").text)
    assert query(store, "SELECT DISTINCT env_sha256 FROM series") == [(here["env_sha256"],)]


def test_foreign_sources_and_devices_are_series_of_their_own():
    store, file = os.path.join(TMP, "sources.db"), path("one.csv", b"better,metric,value\nlower,load_s,1.5\n")
    for more in ([], ["--source", "sglang"], ["--device", "pi5"], ["--date", "2026-01-02"]):
        run("import", file, "--store", store, *more)
    assert query(store, "SELECT count(*) FROM series") == [(3,)]
    assert query(store, "SELECT count(*) FROM series_point WHERE time = 1767312000") == [(1,)]


def test_mixed_files_go_where_they_belong():
    store = os.path.join(TMP, "mixed.db")
    file = path("mixed.csv", b"metric,value,better\nmodel,m,\nformat,gguf/q8_0,\ndecode_tok_s,41.5,higher\nqueue_ms,7,lower\n")
    text = run("import", file, "--store", store, "--date", "2026-11-01").text
    assert "1 figure in 1 run" in text and "1 record" in text, text
    (record,) = [json.loads(j) for (j,) in query(store, "SELECT json FROM run WHERE kind = 'cell'")]
    assert record["speed"]["decode_tok_s"]["v"] == 41.5 and record["reason"] == "" and record["date"] == "2026-11-01T00:00:00Z"
    assert query(store, "SELECT metric FROM series ORDER BY metric") == [("decode_tok_s",), ("queue_ms",)]
    run("import", file, "--store", os.path.join(TMP, "all.db"), "--source", "x", expect=1)   # model is no number
    file = path("theirs.csv", b"metric,value,better\ndecode_tok_s,41.5,higher\n")
    run("import", file, "--store", store, "--source", "theirs")
    assert query(store, "SELECT kind FROM series WHERE metric = 'decode_tok_s' ORDER BY kind") == [("cell",), ("foreign",)]


def test_foreign_nonsense_is_refused_whole():
    head = b"metric,value,unit,better,date\n"
    good = b"a,1,s,lower,2026-01-01\n"
    bad = [
        (head + good + b"b,nan,s,lower,\n", "line 3, column value: \"nan\""),
        (head + good + b"b,,s,lower,\n", "line 3, column value: \"\""),
        (head + good + b"b,12 ms,s,lower,\n", "line 3, column value: \"12 ms\""),
        (head + good + b"b,inf,s,lower,\n", "line 3, column value: \"inf\""),
        (head + good + b"b,1,s,faster,\n", "line 3, column better: \"faster\""),
        (head + good + b"b,1,s,,\n", "line 3, column better"),
        (head + good + b",1,s,lower,\n", "line 3, column metric"),
        (head + good + b"b,1,s,lower,yesterday\n", "line 3, column date: \"yesterday\""),
        (head + b"\"a\nb\",1,s,lower,\n", "line 2, column metric"),
        (head + good + b"\n\nb,1,s,lower\n", "line 5 has 4 cells where the header has 5"),
        (head + good + b"a,1,ms,lower,2026-01-01\n", "line 3, column unit"),
        (head + good + b"a,1,s,higher,2026-01-01\n", "line 3, column better: \"higher\" contradicts"),
        (head + b"%s,1,s,lower,\n" % (b"x" * 64), "line 2, column metric"),
        (head + good + b"gr\xf6\xdfe,1,s,lower,\n", "line 3, column metric"),
        (head + good * 257, "line 258: more than 256 values of a"),
        (head, "no rows"),
        (b"metric,value,metric,better\n", "metric twice"),
    ]
    store = os.path.join(TMP, "bad.db")
    run("import", path("good.csv", head + good), "--store", store)
    for text, words in bad:
        p = run("import", path("bad.csv", text), "--store", store, "--source", "x", expect=1)
        assert words in one_sentence(p), p.err
    assert query(store, "SELECT count(*) FROM run") == [(1,)]
    p = run("import", path("bad.csv", b"metric,value\na,1\n"), "--store", store, "--source", "x", expect=1)
    assert "line 1 has no column better" in one_sentence(p)
    p = run("import", path("good.csv", head + good), "--store", store, "--date", "soon", expect=2)
    assert "--date soon" in one_sentence(p)
    assert run("import", path("good.csv", head + good), "--store", store, "-o", os.path.join(TMP, "x"), expect=2)


# ---- what nights need of a sweep ----

SHORT = ["-f", "q8_0,q4_0", "--frameworks", "own", "--prompt", "8", "--gen", "4", "--chunks", "2", "-t", "1", "-q"]


def test_speeds_are_found_again():
    store = os.path.join(TMP, "again.db")
    speed = ["sweep", "default", *SHORT, "--no-quality", "--keep-workload", "--budget", "2s", "--store", store]
    run(*speed)
    first = query(store, "SELECT id, model, format FROM run ORDER BY id")
    assert len(first) >= 2 and all(m != "whichquant default" for _, m, _ in first), first   # shapes stand in
    assert query(store, "SELECT count(*) FROM figure WHERE metric = 'kld'") == [(0,)]
    run(*speed, "--resume")
    assert query(store, "SELECT id, model, format FROM run ORDER BY id") == first
    run(*speed)
    assert len(query(store, "SELECT id FROM run")) > len(first)


def test_the_slow_kernel_is_for_test_builds_only():
    with open(PROGRAM, "rb") as f:
        assert b"WHICHQUANT_TEST_SLOW" not in f.read()



# ---- nights ----

DAY, FIRST = 86400, 1795312800      # 2026-11-22T02:00:00Z
QUALITY = ["nightly", "default", "-f", "q8_0,q4_0", "--frameworks", "own", "--chunks", "2", "-t", "1", "--no-speed", "-q"]
SPEED = ["nightly", "default", "-f", "q4_0", "--frameworks", "own", "--prompt", "8", "--gen", "4", "-t", "1", "--no-quality", "-q",
         "--processes", "2", "--budget", "30s"]


class Nights:
    """A machine: its data folder, its store, its clock."""

    def __init__(self, name):
        self.home = os.path.join(TMP, name)
        self.env = {**ENV, "XDG_DATA_HOME": self.home, "TZ": "UTC"}
        self.store, self.out = os.path.join(self.home, "whichquant", "store.db"), os.path.join(self.home, "out")
        self.pending = os.path.join(self.home, "whichquant", "nights")

    def at(self, day):
        return {**self.env, "SOURCE_DATE_EPOCH": str(FIRST + day * DAY)}

    def run(self, *args, day=0, expect=0, **more):
        return run(*args, "-o", self.out, expect=expect, env=self.at(day), **more)

    def start(self, *args):
        return subprocess.Popen([PROGRAM, *args, "-o", self.out], env=self.env, cwd=TMP, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def query(self, sql):
        return query(self.store, sql)

    def sound(self):
        return self.query("PRAGMA integrity_check") == [("ok",)]


def rows(store, sql="SELECT id, cell_id, date, run_id FROM run ORDER BY id"):
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=20) as db:
            return db.execute(sql).fetchall()
    except sqlite3.OperationalError:
        return []       # not there yet


def wait_for(condition, p, seconds=240):
    end = time.time() + seconds
    while not condition():
        assert p.poll() is None and time.time() < end, (p.poll(), p.stderr.read()[-600:] if p.poll() is not None else "too slow")
        time.sleep(0.02)


def test_nights_one_after_another():
    m = Nights("nights")
    os.makedirs(os.path.join(m.out, "notes"))
    path("nights/out/2026-01-01", b"a file of the user's")
    for day in range(10):
        m.run(*QUALITY, "--keep", "3", day=day)
    nights = ["2026-11-29", "2026-11-30", "2026-12-01"]
    assert sorted(os.listdir(m.out)) == ["2026-01-01", *nights, "latest", "notes"]
    assert os.readlink(os.path.join(m.out, "latest")) == nights[-1]
    for night in nights:
        files = set(os.listdir(os.path.join(m.out, night)))
        assert {"gate.json", "gate.md", "gate.xml", "records.jsonl", "dashboard.html"} <= files, files
    with open(os.path.join(m.out, "latest", "records.jsonl"), encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    assert sorted(r["format"]["name"] for r in records) == ["gguf/q4_0", "gguf/q8_0"]
    assert {r["run_id"] for r in records} == {"nightly-2026-12-01"} and {r["date"] for r in records} == {"2026-12-01T02:00:00Z"}
    assert m.query("SELECT format, count(*), count(DISTINCT run_id) FROM run GROUP BY format ORDER BY format") == [
        ("gguf/q4_0", 10, 10), ("gguf/q8_0", 10, 10)]
    with open(os.path.join(m.out, "latest", "gate.json"), encoding="utf-8") as f:
        report = json.load(f)
    assert report["summary"]["regressed"] == 0 and report["summary"]["insufficient"] == 0, report["summary"]
    assert sorted(os.listdir(m.pending)) == ["2026-12-01", "lock"]
    before = m.query("SELECT id, content_sha256 FROM run ORDER BY id")
    p = m.run(*[a for a in QUALITY if a != "-q"], "--keep", "3", day=9)     # the same night once more
    assert "2 of 2 cells were measured before" in p.err, p.err
    assert m.query("SELECT id, content_sha256 FROM run ORDER BY id") == before
    # the clock jumped back
    p = m.run(*QUALITY, day=2, expect=1)
    assert "the clock says 2026-11-24T02:00:00Z" in one_sentence(p) and "2026-12-01T02:00:00Z" in p.err
    assert m.query("SELECT id, content_sha256 FROM run ORDER BY id") == before and m.sound()
    assert os.readlink(os.path.join(m.out, "latest")) == nights[-1]


def test_first_nights():
    m = Nights("first")
    p = m.run(*[a for a in QUALITY if a != "-q"], "--baseline-now", "8")
    assert "baseline: run 8 of 8" in p.err
    assert m.query("SELECT count(DISTINCT run_id), count(*) FROM run") == [(9, 18)]
    m = Nights("alone")
    m.env["TZ"] = "NZDT-13"     # 15:00 there: a night is named by the calendar of the place
    m.run(*QUALITY)
    assert m.run(*QUALITY, "--strict", expect=5, day=1).err == ""
    env = {**m.at(1), "TZ": "JST-9", "SOURCE_DATE_EPOCH": str(FIRST + DAY + 14 * 3600)}
    run(*QUALITY, "-o", m.out, env=env)
    assert sorted(os.listdir(m.out)) == ["2026-11-22", "2026-11-23", "2026-11-24", "latest"]


def test_changes_of_the_history_are_found():
    m = Nights("late")
    source = path("late.csv")
    with open(source, "w") as f:        # 4 % slower from the 21st day on: no single night stands out
        print("metric,value,unit,better,date", file=f)
        for i in range(40):
            print(f"lag,{(50 if i < 20 else 52) * (1 + i * 7 % 5 / 200)},ms,lower,2026-{9 + i // 20:02}-{i % 20 + 1:02}", file=f)
    run("import", source, "--source", "server", env=m.env)
    found = [line for line in m.run(*[a for a in QUALITY if a != "-q"]).err.split("\n") if "found in the history" in line]
    assert found == ["1 change of level found in the history; `whichquant history --changes` lists it"], found
    assert m.query("SELECT metric, state, found_by FROM change") == [("lag", "new", "history")]
    assert "found in the history" not in m.run(*[a for a in QUALITY if a != "-q"], day=1).err


def test_one_night_at_a_time():
    m = Nights("lock")
    os.makedirs(m.pending)
    with open(os.path.join(m.pending, "lock"), "w", encoding="utf-8") as f:
        f.write("process 4711, since 2026-11-22T02:00:00Z\n")
        f.flush()
        fcntl.flock(f, fcntl.LOCK_EX)
        p = m.run(*QUALITY, expect=1)
        assert "process 4711, since 2026-11-22T02:00:00Z" in one_sentence(p) and "another nightly run" in p.err
        assert os.listdir(m.pending) == ["lock"] and not os.path.exists(m.store) and not os.path.exists(m.out)
    m.run(*QUALITY)     # whoever held it is gone


def test_killed_night_goes_on():
    m = Nights("killed")
    first, second = (os.path.join(m.pending, "tonight", f"m0-speed{k}.db") for k in (1, 2))
    p = m.start(*SPEED, "--night", "tonight")
    wait_for(lambda: os.path.exists(second), p)     # the first process is through, the second is at work
    measured = rows(first)
    assert len(measured) >= 2, measured
    refused = run(*SPEED, "--night", "tonight", env=m.env, expect=1)
    assert f"process {p.pid}, since 20" in one_sentence(refused)
    p.kill()
    p.wait()
    assert not os.path.exists(m.out) and not rows(m.store)
    assert run(*SPEED, "--night", "tonight", "-o", m.out, env=m.env).err == ""
    assert rows(first) == measured, "nothing is measured again"
    again = rows(second)
    assert [r[1] for r in again] == [r[1] for r in measured]
    kept = [json.loads(j) for (j,) in m.query("SELECT json FROM run ORDER BY id")]
    assert sorted(r["cell_id"] for r in kept) == sorted(r[1] for r in measured)
    assert {r["run_id"] for r in kept} == {"nightly-tonight"}
    for r in kept:      # the median of the processes, with the repetitions of both
        of = [json.loads(j) for db in (first, second) for (j,) in rows(db, f"SELECT json FROM run WHERE cell_id = '{r['cell_id']}'")]
        values = sorted(x["speed"]["decode_tok_s"]["v"] for x in of)
        assert len(of) == 2 and abs(r["speed"]["decode_tok_s"]["v"] / (sum(values) / 2) - 1) < 1e-9
        assert [r["speed"]["decode_tok_s"][k] for k in ("lo", "hi")] == values
        assert sorted(r["speed"]["decode_ns"]) == sorted(ns for x in of for ns in x["speed"]["decode_ns"])


def test_interrupted_night():
    m = Nights("interrupted")
    p = m.start(*SPEED, "--night", "x")
    wait_for(lambda: os.path.exists(os.path.join(m.pending, "x", "m0-speed1.db")), p)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=120)
    assert p.returncode == 130 and b"the same command goes on" in err, (p.returncode, err)
    assert not os.path.exists(m.out)


def test_a_night_that_was_cut_off_is_kept():
    m, other = Nights("cut"), os.path.join(TMP, "cut-other.db")
    m.run(*QUALITY, "--night", "a")
    p = run(*[a for a in QUALITY if a != "-q"], "--night", "b", "--store", other, env=m.at(1))
    assert "night a was cut off: the 2 cells that it had measured are kept" in p.err, p.err
    assert query(other, "SELECT run_id, count(*) FROM run GROUP BY run_id ORDER BY run_id") == [("nightly-a", 2), ("nightly-b", 2)]
    assert sorted(os.listdir(m.pending)) == ["b", "lock"]


def test_full_disk():
    m = Nights("full")
    m.run(*QUALITY)
    before = m.query("SELECT id, content_sha256 FROM run ORDER BY id")
    size = os.path.getsize(m.store)

    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    p = subprocess.run([PROGRAM, *QUALITY, "-o", m.out], env=m.at(1), cwd=TMP, stdin=subprocess.DEVNULL, preexec_fn=little_room,
                       restore_signals=False, capture_output=True, timeout=120)
    sentences = p.stderr.decode().strip().split("\n")
    assert p.returncode == 1 and all(x.startswith("whichquant: ") for x in sentences) and len(sentences) <= 2, sentences
    assert m.query("SELECT id, content_sha256 FROM run ORDER BY id") == before and m.sound()
    assert os.readlink(os.path.join(m.out, "latest")) == "2026-11-22" and sorted(os.listdir(m.out)) == ["2026-11-22", "latest"]
    m.run(*QUALITY, day=1)      # room again
    assert len(m.query("SELECT id FROM run")) == 2 * len(before) and m.sound()


def test_full_disk_of_the_reports():
    """A real one, where the system lets us have it: 40 kB are too few for the page, the store is elsewhere."""
    m = Nights("reports")
    os.makedirs(m.out)
    script = 'mount -t tmpfs -o size=40k none "$1" && shift && exec "$@"'
    p = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", m.out, PROGRAM, *QUALITY, "-o", m.out], env=m.at(0),
                       cwd=TMP, capture_output=True, timeout=120)
    err = p.stderr.decode()
    if "unshare" in err or "mount" in err:
        return          # no namespaces for this user; test_full_disk has shown the rest
    assert p.returncode == 1 and "whichquant: " in err and "o space left" in err, err
    assert len(m.query("SELECT id FROM run")) == 2 and m.sound()


def test_folders_of_others_are_left_alone():
    m = Nights("theirs")
    os.makedirs(os.path.join(m.out, "2026-11-22"))
    path("theirs/out/2026-11-22/thesis.txt", b"years of work")
    os.makedirs(os.path.join(m.out, "latest"))
    p = m.run(*QUALITY, expect=1)
    assert "2026-11-22 is no night of this program's" in one_sentence(p)
    p = m.run(*QUALITY, day=1, expect=1)
    assert "latest is no link of this program's" in one_sentence(p)
    assert os.listdir(os.path.join(m.out, "2026-11-22")) == ["thesis.txt"] and os.listdir(os.path.join(m.out, "latest")) == []


def test_a_model_that_is_not_there():
    m = Nights("absent")
    p = m.run("nightly", "no-such-model.gguf", *QUALITY[1:], expect=1)
    assert "no-such-model.gguf: no such file" in one_sentence(p)
    assert len(m.query("SELECT id FROM run")) == 2 and os.path.exists(os.path.join(m.out, "latest", "gate.json"))
    m = Nights("nothing")
    p = m.run("nightly", "no-such-model.gguf", *QUALITY[2:], expect=1)
    assert "nothing was measured tonight" in p.err and not os.path.exists(m.out)


def test_a_database_server_that_goes_away():
    """Nothing that was measured is lost with it: the night goes on when it is back. Without PostgreSQL: not here."""
    if not postgres.program("initdb"):
        return
    m, cluster = Nights("server"), postgres.Cluster()
    try:
        store = ["--store", cluster.new("nights")]
        runs = lambda: cluster.sql("SELECT run_id, count(*) FROM run GROUP BY run_id ORDER BY run_id", "nights").stdout.split()
        m.run(*QUALITY, *store, "--night", "a")
        assert runs() == ["nightly-a|2"]
        p, pending = m.start(*QUALITY, *store, "--night", "b", "--chunks", "20"), os.path.join(m.pending, "b", "m0-quality.db")
        wait_for(lambda: os.path.exists(pending), p)
        cluster.stop()
        _, err = p.communicate(timeout=240)
        assert p.returncode == 1 and err.count(b"whichquant: ") == 1, (p.returncode, err)
        measured = rows(pending)
        assert len(measured) == 2, measured
        one_sentence(m.run(*QUALITY, *store, "--night", "b", "--chunks", "20", expect=1))
        cluster.start()
        m.run(*QUALITY, *store, "--night", "b", "--chunks", "20")
        assert rows(pending)[:2] == measured and runs() == ["nightly-a|2", "nightly-b|2"], runs()
    finally:
        cluster.close()


def test_nightly_usage():
    for args in (["nightly"], [*QUALITY, "--night", "../x"], [*QUALITY, "--night", ""], [*QUALITY, "--processes", "99"],
                 [*QUALITY, "--no-quality"], [*QUALITY, "--budget", "soon"], [*QUALITY, "--night", "x" * 25],
                 [*QUALITY, "--night", "latest"], [*QUALITY, "--night", "lock"]):
        one_sentence(run(*args, expect=2))


# ---- examples ----

def example(name):
    with open(os.path.join(ROOT, "docs", "examples", name), encoding="utf-8") as f:
        return f.read()


def test_commands_of_examples_are_understood():
    """Every line that starts this program, with --help behind it: commands and options must exist."""
    n = 0
    for name in sorted(os.listdir(os.path.join(ROOT, "docs", "examples"))):
        for line in example(name).split("\n"):
            m = re.search(r"whichquant (nightly|import|gate|dashboard|sweep|history) .*", line)
            if not m or line.lstrip().startswith("#"):
                continue
            words = shlex.split(m[0].split(" > ")[0])
            run(*words[1:], "--help")
            n += 1
    assert n >= 5, n


def test_systemd_units():
    folder = os.path.join(TMP, "units")
    os.makedirs(folder)
    for name in ("whichquant-nightly.service", "whichquant-nightly.timer"):
        text = example(name)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text.replace("/usr/local/bin/whichquant", PROGRAM))
        sections = re.findall(r"^\[(\w+)\]$", text, re.M)
        keys = [line for line in text.split("\n") if line and not line.startswith(("#", "["))]
        assert sections[0] == "Unit" and all(re.match(r"[A-Z]\w+=\S", k) for k in keys), (sections, keys)
    if shutil.which("systemd-analyze"):     # where systemd itself can be asked
        p = subprocess.run(["systemd-analyze", "verify", "--man=no", *(os.path.join(folder, x) for x in sorted(os.listdir(folder)))],
                           capture_output=True, text=True, timeout=60)
        assert p.returncode == 0 and p.stderr == "", p.stderr


def test_the_workflow_is_one():
    text = example("whichquant-gate.yml")
    assert "\t" not in text and re.search(r"^on:$", text, re.M) and re.search(r"^jobs:$", text, re.M)
    for line in text.split("\n"):
        assert (len(line) - len(line.lstrip())) % 2 == 0, line


# ---- the alarm ----

def test_a_slow_kernel_is_found():
    """Ten nights that were like the first; then the kernel that decodes q4_0 takes five times as long. Nothing is said of
    what else a busy machine may do to other cells: the slow one must be among the regressions."""
    kernels = run("kernels", "--check", "--kernel", "matvec_q4_0").text.split("\n")
    name = next(line.split()[1] for line in kernels if line.startswith("PASS"))
    m = Nights("slow")
    args = ["nightly", "default", "-f", "q4_0", "--frameworks", "own", "--prompt", "8", "--gen", "4", "-t", "1", "--no-quality", "-q",
            "--processes", "1", "--budget", "8s", "-o", m.out]
    subprocess.run([SLOW, *args], env=m.at(0), cwd=TMP, check=True, timeout=400, stdout=subprocess.DEVNULL)
    with open(os.path.join(m.out, "latest", "records.jsonl"), encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    lines = []
    for day in range(1, 10):
        for r in records:
            r = json.loads(json.dumps(r))
            r["date"] = f"2026-11-{22 - day:02d}T02:00:00Z"
            for key in ("prefill_tok_s", "decode_tok_s", "ttft_ms"):
                r["speed"][key]["v"] *= 1 + 0.001 * (day * 7 % 5 - 2)
            lines.append(json.dumps(r))
    run("import", path("slow.jsonl", "\n".join(lines).encode()), env=m.env)
    slow = {**m.at(1), "WHICHQUANT_TEST_SLOW": f"{name}=5"}
    p = subprocess.run([SLOW, *args, "--json", "--budget", "120s"], env=slow, cwd=TMP, capture_output=True, timeout=400)
    assert p.returncode == 3, (p.returncode, p.stderr[-600:])
    report = json.loads(p.stdout)
    bad = {(c["model"], c["metric"]) for c in report["cells"] if c["verdict"] == "regression"}
    assert {("qwen3-0.6b", "decode_tok_s"), ("llama-3.2-1b", "decode_tok_s")} <= bad, bad
    reruns = m.query("SELECT run_id, count(*) FROM run WHERE run_id LIKE 'nightly-2026-11-23%' GROUP BY run_id ORDER BY run_id")
    assert reruns == [("nightly-2026-11-23", 2)] + [(f"nightly-2026-11-23+{k}", 2) for k in (1, 2, 3)], reruns


if __name__ == "__main__":
    sys.exit(main(globals()))
