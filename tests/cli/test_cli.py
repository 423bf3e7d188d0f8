#!/usr/bin/env python3
"""The program as a user meets it: commands, files, exit codes, bad input. Everything runs on the embedded model; nothing
here is timed. Arguments and end: harness.py."""
import json
import math
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys

from harness import ENV, PROGRAM, ROOT, TMP, main, one_sentence, path, read_matrix, run

QUICK = ["--chunks", "2", "--format", "q8_0,q4_k_m,q2_k", "-q"]


def model_bytes():
    with open(os.path.join(ROOT, "datasets/models/default.gguf"), "rb") as f:
        return f.read()


def test_help_and_version():
    assert run("--version").text.startswith("whichquant ")
    text = run("--help").text
    for word in ("EXIT CODES", "ENVIRONMENT", "EXAMPLES", "--demo", "quantize"):
        assert word in text, word
    commands = re.findall(r"^  (\w+) ", text.split("COMMANDS")[1].split("OPTIONS")[0], re.M)
    for command in commands:
        assert command in run(command, "--help").text


def test_probe():
    d = json.loads(run("probe", "--json").text)
    for key in ("cpu", "memory", "gpus", "npus", "power", "thermal", "virtualization", "container", "os", "hw_sha256", "env_sha256"):
        assert key in d, key
    for key in ("vendor", "brand", "cores", "threads", "isa"):
        assert key in d["cpu"], key
    assert set(d["cpu"]["isa"].values()) <= {"proved", "claimed", "absent"}
    assert {"avx2", "fma", "avx512_vnni", "amx_int8", "asimddp", "i8mm"} <= set(d["cpu"]["isa"])
    assert d["memory"]["total_bytes"] > 0 and "limit_bytes" in d["memory"] and "available_bytes" in d["memory"]
    machine = os.path.join(ROOT, "tests/machines/laptop-i5-1235u")
    first = run("probe", "--from", machine, "--json", "-o", os.path.join(TMP, "laptop.json")).text
    assert run("probe", "--from", "laptop.json", "--json").text == first
    assert open(os.path.join(TMP, "laptop.json")).read() == first
    assert "2 fast, 8 efficient" in run("probe", "--from", machine).text
    one_sentence(run("probe", "--from", "no-such-file", expect=1))
    one_sentence(run("probe", "--from", path("bad.json", b'{"cpu": {"cores": "many"}}'), expect=1))


def test_doctor():
    text = run("doctor").text
    for line in text.strip().split("\n")[:-1]:
        assert re.match(r"\[(PASS|WARN|FAIL)\] \S", line), line
    assert re.match(r"\d+ passed, \d+ warnings, 0 failed", text.strip().split("\n")[-1])
    d = json.loads(run("doctor", "--json").text)
    assert d["passed"] + d["warnings"] + d["failed"] == len(d["checks"])


def test_usage_errors():
    assert "did you mean --chunks" in one_sentence(run("--chunk5", "2", expect=2))
    for args in (["eval"], ["eval", "default"], ["list", "fromats"], ["quantize", "default"], ["--threads", "-1"],
                 ["--budget", "soon"], ["--task", "poetry", "decide"], ["--language", "german", "decide"], ["--battery-wh", "0", "decide"],
                 ["--language", "de-", "decide"], ["--ram", "much"], ["--objective", "fun"], ["--isa", "mmx9", "probe"],
                 ["tokenize", "default"], ["eval", "default", "--text", "x", "--sustain", "1m"], ["--threads"],
                 ["--format", "q9_k", "--demo", "-q"]):
        p = run(*args, expect=2)
        one_sentence(p)
    assert run("-t", "5000", "--demo", "-q", expect=2).err


def test_list():
    for table in ("models", "formats", "kv", "codecs", "kernels", "shapes", "architectures", "frameworks"):
        rows = json.loads(run("list", table, "--json").text)
        assert rows and all(r["name"] for r in rows)
        lines = run("list", table).text.strip().split("\n")
        if table in ("formats", "kv"):
            verified = sum(1 for r in rows if r["verified_by"])
            assert [int(n) for n in re.findall(r"\d+", lines.pop(0))] == [verified, len(rows) - verified], lines
        assert len(lines) == len(rows), table
    models = {r["name"]: r for r in json.loads(run("list", "models", "--json").text)}
    assert models["qwen3-8b"]["fetch"] == "llama-server -hf unsloth/Qwen3-8B-GGUF" and models["qwen3-8b"]["source"]
    assert set(r["name"] for r in json.loads(run("list", "shapes", "--json").text)) < set(models)
    names = {r["name"] for r in json.loads(run("list", "formats", "--json").text)}
    for scheme in "q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q2_k_s q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k".split():
        assert "gguf/" + scheme in names


def test_list_devices_and_prediction():
    devices = {r["name"]: r for r in json.loads(run("list", "devices", "--json").text)}
    assert len(devices) >= 240 and all(r["source"] and r["class"] for r in devices.values())
    assert devices["esp32-s3"]["usable_gib"] == 0 and devices["raspberry-pi-5-8gb"]["bandwidth_gb_s"] == 17.1
    for r in devices.values():
        assert r["memory_gib"] is None or 0 <= r["usable_gib"] < r["memory_gib"] and r["usable_rule"], r["name"]
    errors = {(r["name"], r["phase"]): r for r in json.loads(run("list", "prediction", "--json").text)}
    for name in ("x86-cpu", "board-cpu", "phone-cpu", "apple-metal", "cuda", "vulkan"):
        e = errors[name, "decode"]
        assert 0 < e["median_error"] < min(e["llmfit"], e["whichllm"], e["ggufit"]) and e["within_90"] > 0.8 * e["n"], e


def test_tokenize_and_generate():
    text = path("t.txt", b"The cat sat on the mat.\n")
    ids = json.loads(run("tokenize", "default", "--text", text, "--json").text)["ids"]
    assert [int(x) for x in run("tokenize", "default", "--text", text).text.split()] == ids and len(ids) > 4
    same = json.loads(run("tokenize", "default", "--prompt", "The cat sat on the mat.", "--json").text)["ids"]
    assert same == ids
    out = json.loads(run("generate", "default", "--prompt", "The cat", "-n", "8", "--json").text)
    assert len(out["ids"]) == 8 and out["text"]
    again = json.loads(run("generate", "default", "--prompt", "The cat", "-n", "8", "--json", "--isa", "scalar").text)
    assert again["ids"] == out["ids"]


def test_eval():
    text = os.path.join(ROOT, "datasets/text/eval.txt")
    f32 = json.loads(run("eval", "default", "--text", text, "--chunks", "2", "--json", "-q").text)
    assert f32["chunks"] == 2 and f32["tokens_scored"] == 510 and f32["kld"] is None and 1 < f32["ppl"] < 4096
    kld = {}
    for name in ("q8_0", "q4_k_m", "q2_k"):
        q = json.loads(run("eval", "default", "--text", text, "--chunks", "2", "--json", "-q", "-f", name).text)
        kld[name] = q["kld"]
        assert q["format"] == "gguf/" + name and 0 < q["top1_agreement"] <= 1
        assert math.isclose(q["ln_ppl_ratio"], math.log(q["ppl"] / q["ppl_base"]), rel_tol=1e-4, abs_tol=1e-6)
    assert 0 < kld["q8_0"] < kld["q4_k_m"] < kld["q2_k"], kld
    logits = os.path.join(TMP, "base.logits")
    run("eval", "default", "--text", text, "--chunks", "2", "-q", "--save-logits", logits, "--numerics", "weights-only")
    head = open(logits, "rb").read(20)
    assert head[:8] == b"_logits_" and struct.unpack("<3i", head[8:]) [0] == 512
    q = json.loads(run("eval", "default", "--text", text, "--chunks", "2", "--json", "-q", "--base-logits", logits).text)
    assert 0 <= q["kld"] + 1e-4 < 1e-2


def test_kv_caches():
    text = os.path.join(ROOT, "datasets/text/eval.txt")
    rows = json.loads(run("eval", "default", "--text", text, "--chunks", "2", "--json", "-q", "--kv",
                          "f16,q8_0,q8_0/q4_0,q4_0").text)
    assert [r["kv"] for r in rows] == ["f16", "q8_0", "q8_0/q4_0", "q4_0"]
    kld = [r["kld"] for r in rows]
    assert abs(kld[0]) < 1e-6 < kld[1] < kld[2] < kld[3], kld
    assert [r["kv_bytes_per_token"] for r in rows] == [3 * 2 * 2 * b for b in (128, 68, 52, 36)]
    one = json.loads(run("eval", "default", "--text", text, "--chunks", "2", "--json", "-q", "-f", "q8_0", "--kv", "q4_0").text)
    assert one["kv"] == "q4_0" and one["format"] == "gguf/q8_0" and one["kld"] > kld[1]
    run("eval", "default", "--text", text, "--chunks", "2", "-q", "--kv", "u8,mlx-4bit-g64", "--numerics", "weights-only")
    for kv, word in (("q9_0", "list kv"), ("u8", "openvino"), ("q8_0/", "list kv")):
        sentence = one_sentence(run("eval", "default", "--text", text, "--chunks", "2", "--kv", kv, expect=2 if "list" in word else 1))
        assert word in sentence, sentence
    one_sentence(run("default", "--kv", "q9_0", expect=2))
    one_sentence(run("default", "--kv", "q8_0", "--kv-ctx", "2k", expect=2))


def test_tasks_through_a_cache():
    path = os.path.join(TMP, "tasks.jsonl")
    with open(path, "w", encoding="utf-8") as f:
        for i in range(6):
            f.write(json.dumps({"question": f"The cat number {i} sat on the", "choices": {"text": ["mat", "moon", "sea"],
                    "label": ["A", "B", "C"]}, "answerKey": "ABC"[i % 3]}) + "\n")
    doc = json.loads(run("task", "default", path, "--kv", "f32,q4_0", "--json", "-q").text)["results"]
    assert [r["kv"] for r in doc] == [None, "f32", "q4_0"]
    assert doc[0]["answers"] == doc[1]["answers"] and len(doc[2]["answers"]) == 6
    both = run("task", "default", path, "--kv", "q8_0,u8", "-f", "gguf/q8_0", "-q")
    assert "gguf/q8_0, KV q8_0" in both.text and "openvino" in both.err and "KV u8" not in both.text
    one_sentence(run("task", "default", path, "--kv", "q9_0", expect=2))


def test_tasks_longer_than_the_usual_context():
    file = path("long.jsonl", b"".join(json.dumps(
        {"goal": "The cat sat on the mat. " * repeats, "sol1": "A cat.", "sol2": "A dog.", "label": 0}).encode() + b"\n"
        for repeats in (1, 150)))
    assert len(json.loads(run("task", "default", file, "--json", "-q").text)["results"][0]["answers"]) == 2
    out = os.path.join(TMP, "long")
    run("default", "-f", "q8_0", "--chunks", "2", "--no-speed", "--tasks", file, "-q", "-o", out)
    assert [r["task_items"] for r in read_matrix(out) if r["task_items"]] == ["2"]


def test_kv_axis_of_a_sweep():
    out = os.path.join(TMP, "kv")
    run(*QUICK, "--demo", "--budget", "12s", "--kv", "q8_0,u8,q4_0", "--kv-ctx", "512,8192", "-o", out)
    rows = [r for r in read_matrix(out) if r["kv_type"] not in ("", "f16")]
    assert [r["kv_type"] for r in rows if r["verdict"] == "unsupported"] == ["u8"], rows
    measured = {r["kv_type"]: r for r in rows if r["verdict"] != "unsupported"}
    assert set(measured) == {"q8_0", "q4_0"}
    q8, q4 = measured["q8_0"], measured["q4_0"]
    assert 0 < float(q8["kv_kld"]) < float(q4["kv_kld"]) and q8["kv_ctx"] == "512" and not q8["kv_kld_long"]
    assert float(q8["kld"]) > float(q8["kv_kld"]) and int(q4["kv_bytes"]) < int(q8["kv_bytes"])
    assert "-ctk q8_0 -ctv q8_0" in q8["command"] and q8["quality_from"] == "predicted"
    records = [json.loads(line) for line in open(os.path.join(out, "records.jsonl"))]
    built_from = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    version = run("--version").text
    for r in records:
        assert r["tool_version"] and r["tool_version"] in version, r["tool_version"]
        assert r["tool_commit"].rstrip("+") == built_from, (r["tool_commit"], built_from)
    refused = [r for r in records if r["workload"]["n_ctx"] == 8192]
    assert len(refused) == 3 and all("trained for contexts of 512" in r["reason"] for r in refused)


def test_bad_models():
    good = model_bytes()
    cases = {"zero.gguf": b"", "magic.gguf": b"JUNK" + good[4:], "short.gguf": good[:100],
             "cut.gguf": good[:len(good) // 2], "bigendian.gguf": good[:4] + struct.pack(">I", 3) + good[8:],
             "counts.gguf": good[:8] + struct.pack("<QQ", 1 << 60, 1 << 60) + good[24:]}
    for name, data in cases.items():
        sentence = one_sentence(run("eval", path(name, data), "--text", path("t.txt", b"x " * 4000), expect=1))
        assert name in sentence, sentence
        run(path(name, data), *QUICK, expect=1)
    bad = bytearray(good)
    bad[-4096:] = b"\xff" * 4096   # NaN in every 16-bit float
    sentence = one_sentence(run(path("nan.gguf", bytes(bad)), *QUICK, expect=1))
    assert "NaN" in sentence or "Inf" in sentence, sentence
    one_sentence(run("eval", os.path.join(TMP, "absent.gguf"), "--text", "t.txt", expect=1))
    one_sentence(run("eval", TMP, "--text", "t.txt", expect=1))


def test_bad_texts():
    one_sentence(run("eval", "default", "--text", path("short.txt", b"hello"), expect=2))
    one_sentence(run("eval", "default", "--text", os.path.join(TMP, "absent.txt"), expect=1))
    one_sentence(run("--text", path("short.txt", b"hello"), *QUICK, expect=2))


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        run("list", "formats", stdout=full, expect=1)
    blocker = path("file", b"")
    one_sentence(run("--demo", *QUICK, "-o", blocker + "/report", expect=1))
    one_sentence(run("quantize", "default", "-f", "q4_0", "-o", blocker + "/x.gguf", expect=1))
    foreign = path("foreign.db", b"this is not a database, it is a letter" * 100)
    one_sentence(run("--demo", *QUICK, "--store", foreign, expect=1))
    assert open(foreign, "rb").read().startswith(b"this is not")


def test_quantize_round_trip():
    out = os.path.join(TMP, "q4.gguf")
    text = os.path.join(ROOT, "datasets/text/eval.txt")
    plan = json.loads(run("quantize", "default", "-f", "q4_k_m", "--dry-run", "--json").text)
    assert not os.path.exists(out) and 4 < plan["effective_bpw"] < 7 and plan["tensors"]
    run("quantize", "default", "-f", "q4_k_m", "-o", out, "-q")
    first = open(out, "rb").read()
    run("quantize", "default", "-f", "q4_k_m", "-o", out, "-q", "-t", "1")
    assert open(out, "rb").read() == first, "the same bytes with another number of threads"
    from_file = json.loads(run("eval", out, "--base", "default", "--text", text, "--chunks", "2", "--json", "-q").text)
    in_memory = json.loads(run("eval", "default", "-f", "q4_k_m", "--text", text, "--chunks", "2", "--json", "-q").text)
    assert math.isclose(from_file["kld"], in_memory["kld"], rel_tol=1e-6)
    p = run("quantize", out, "-f", "q4_0", "-o", os.path.join(TMP, "twice.gguf"))
    assert "already quantized" in p.err
    copy = os.path.join(TMP, "copy.gguf")
    run("quantize", out, "-f", "as-is", "-o", copy, "-q")
    assert open(copy, "rb").read() == first, "the file as it is"


def test_a_quantized_file_is_run_as_it_is():
    """What somebody downloaded is one of the formats to choose from."""
    file = os.path.join(TMP, "somebody's.gguf")
    run("quantize", "default", "-f", "q4_k_m", "-o", file, "-q")
    data = open(file, "rb").read()
    assert data.count(b"whichquant default") == 1
    path(os.path.basename(file), data.replace(b"whichquant default", b"somebody's model.."))
    args = (file, "--no-speed", "--chunks", "2", "-q", "--framework", "own", "--max-kld", "0.005", "--json")
    p = run(*args)
    doc = json.loads(p.text)
    rows = {r["format"]: r for r in doc["rows"] if r["framework"] != "own"}
    assert "is already gguf/q4_k_m: " in p.err
    assert rows["base/as-is"]["weights_bytes"] == rows["gguf/q4_k_m"]["weights_bytes"]
    assert rows["base/as-is"]["kld"] == rows["gguf/q4_k_m"]["kld"] < rows["gguf/q4_k_s"]["kld"]
    assert doc["headline"] == "USE the file as it is on llama.cpp" and shlex.split(doc["command"])[:3] == ["llama-server", "-m", file]
    out = os.path.join(TMP, "as-is")
    run(*args[:-1], "-o", out)
    with open(os.path.join(out, "report.html"), encoding="utf-8") as f:
        assert "<h1>the file as it is <span" in f.read()
    dithered = {r["format"] for r in json.loads(run(*args, "--dither").text)["rows"]}
    assert "base/as-is" not in dithered and "gguf/q4_k_m" in dithered


def overflowing_model():
    """The embedded model with one row of ffn_up so large that the activation behind it exceeds 16-bit floats."""
    data = bytearray(model_bytes())
    name = b"blk.0.ffn_up.weight"
    at = data.index(name) + len(name)
    n_dims, = struct.unpack_from("<I", data, at)
    *dims, kind, offset = struct.unpack_from(f"<{n_dims}QIQ", data, at + 4)
    assert kind == 1, "16-bit floats"
    names = re.finditer(rb"(blk\.\d+\.\w+|output_norm|token_embd|output)\.weight", bytes(data))
    info_end = max(m.end() + 4 + 8 * struct.unpack_from("<I", data, m.end())[0] + 12 for m in names)
    start = (info_end + 31) // 32 * 32 + offset
    for i in range(dims[0]):
        value, = struct.unpack_from("<e", data, start + 2 * i)
        struct.pack_into("<e", data, start + 2 * i, max(-60000, min(60000, value * 2e5)))
    return bytes(data)


def test_importance_matrices():
    text = os.path.join(TMP, "calibration.txt")
    with open(text, "w") as f:
        f.write("Once upon a time there was a little girl who liked to read. " * 400)
    gguf, dat, back = (os.path.join(TMP, "im" + end) for end in (".gguf", ".dat", "2.gguf"))
    got = json.loads(run("imatrix", "default", "--text", text, "-o", gguf, "--chunks", "2", "-q", "--json").text)
    assert got["chunks"] == 2 and got["matrices_seen"] == got["matrices"] - 1
    run("imatrix", "default", "--imatrix", gguf, "-o", dat, "-q")
    run("imatrix", "default", "--imatrix", dat, "-o", back, "-q")
    assert abs(os.path.getsize(back) - os.path.getsize(gguf)) < 64
    refusal = one_sentence(run("quantize", "default", "-f", "iq2_xxs", "--dry-run", expect=1))
    assert "--calibration" in refusal and "--imatrix" in refusal, refusal
    out = os.path.join(TMP, "iq2.gguf")
    run("quantize", "default", "-f", "iq2_xxs", "--imatrix", gguf, "-o", out, "-q")
    run("quantize", "default", "-f", "iq2_xxs", "--calibration", text, "-o", out, "-q")
    assert run("generate", out, "--prompt", "Once", "-n", "4").text
    one_sentence(run("quantize", "default", "-f", "q4_0", "--imatrix", text, "-o", out, "-q", expect=1))
    with open(text, "w") as f:
        f.write("Too short.")
    one_sentence(run("imatrix", "default", "--text", text, "-o", gguf, "-q", expect=2))
    run("imatrix", "default", "-o", gguf, expect=2)


def test_bad_rows():
    def refused(values, cols, codec, wanted, code=1):
        file = path("rows.f32", struct.pack(f"<{len(values)}f", *values))
        p = run("codec", codec, file, "--rows", str(len(values) // cols), "--cols", str(cols), "-o", "rows.out", expect=code)
        sentence = one_sentence(p)
        assert wanted in sentence, sentence

    rows = [0.25, -1.0, 0.5] * 200
    refused(rows, 300, "q4_k", "do not divide rows of 300")
    refused(rows, 300, "gptq", "rows of a multiple of 32 weights, which 300 is not")
    refused(rows[:64], 64, "hqq@bits=4,group=128", "128")  # a group larger than the row
    refused(rows[:64], 64, "awq", "128")
    for number in float("nan"), float("inf"):
        refused([0.5] * 255 + [number], 256, "q8_0", "weight 255 of row 0 is not a finite number")
    refused(rows[:64], 64, "hqq@bits=9", "bits=9", code=2)
    text = path("short.txt", b"Once upon a time there was a short text.")
    model = os.path.join(ROOT, "datasets/models/default.gguf")
    for options in (["eval", model, "-f", "q8_0", "--text", text], ["imatrix", model, "--text", text, "-o", "x.gguf"]):
        assert "longer text" in one_sentence(run(*options, "-q", expect=2)), options
    short = run("quantize", model, "-f", "iq2_xxs", "--calibration", text, "-o", "x.gguf", "-q", expect=2)
    assert "tokens" in one_sentence(short), short.err


def test_bad_importance_matrices():
    text, model = path("calibration.txt", b"Once upon a time there was a little girl who liked to read. " * 400), "default"
    good = {}
    for form in "gguf", "dat":
        run("imatrix", model, "--text", text, "-o", path("good." + form), "--chunks", "2", "-q")
        good[form] = open(os.path.join(TMP, "good." + form), "rb").read()
    smaller = os.path.join(ROOT, "tests/golden/imatrix/stories.")
    for form, data in good.items():
        other = data.replace(b"blk.", b"abc.").replace(b"output.weight", b"xutput.weight")
        one = data.replace(b"blk.0.ffn_up", b"blk.0.ffn_xx")
        for wanted, file in (("of another model", path("other." + form, other)), ("columns there and", smaller + form),
                             ("truncated" if form == "gguf" else "cut short", path("cut." + form, data[:len(data) // 2])),
                             ("none for this matrix", path("one." + form, one)), ("", path("empty." + form))):
            p = run("eval", model, "-f", "iq2_xxs", "--text", text, "--imatrix", file, "-q", expect=1)
            assert wanted in one_sentence(p), p.err
            if "one." in file:  # a problem of the formats that need it
                continue
            assert one_sentence(run(model, "-f", "q8_0,iq2_xxs", "--imatrix", file, "-q", expect=1)) == one_sentence(p)
    out = os.path.join(TMP, "one-matrix-missing")
    run(model, "--chunks", "2", "--budget", "4", "-f", "q8_0,iq2_xxs", "--imatrix", "one.dat", "-q", "-o", out)
    rows = read_matrix(out)
    refused = [r["reason"] for r in rows if r["format"] == "gguf/iq2_xxs"]
    assert refused and all("blk.0.ffn_up.weight" in r and "importances" in r for r in refused), refused
    assert any(r["format"] == "gguf/q8_0" and r["kld"] for r in rows)


def tensors_that_overlap(data):
    """The second of two tensors of one size moved onto the first."""
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    length = lambda t: t["data_offsets"][1] - t["data_offsets"][0]
    first, second = [t for k, t in header.items() if k != "__metadata__" and length(t) == 64][:2]
    second["data_offsets"] = first["data_offsets"]
    text = json.dumps(header, separators=(",", ":")).encode().ljust(size)
    return struct.pack("<Q", len(text)) + text + data[8 + size:]


def test_bad_folders():
    text = path("folder.txt", b"Once upon a time there was a little girl who liked to read. " * 400)
    cases = [
        ("qwen2", "model.safetensors", tensors_that_overlap, "overlap"),
        ("qwen2", "model.safetensors", lambda d: d.replace(b'"F16"', b'"I16"'), "I16"),
        ("qwen2", "model.safetensors", lambda d: d.replace(b'"F16"', b'"F32"'), "dtype and shape"),
        ("qwen2", "model.safetensors", lambda d: d[:len(d) // 2], "model.safetensors"),
        ("mistral", "model-00002-of-00004.safetensors", None, "model-00002-of-00004.safetensors"),
        ("mistral", "model.safetensors.index.json", lambda d: d.replace(b"model-00003", b"model-00007"), "model-00007"),
        ("awq", "config.json", lambda d: d.replace(b'"awq"', b'"aqlm"'), '"aqlm"'),
        ("awq", "config.json", lambda d: d.replace(b'"gemm"', b'"gemv"'), '"gemv"'),
        ("gptq", "config.json", lambda d: d.replace(b'"checkpoint_format": "gptq"', b'"checkpoint_format": "v9"'), "v9"),
        ("llama", "config.json", lambda d: d.replace(b'"model_type": "llama"', b'"model_type": "mamba"'), '"mamba"'),
    ]
    for i, (name, file, change, wanted) in enumerate(cases):
        folder = os.path.join(TMP, f"folder{i}")
        shutil.copytree(os.path.join(ROOT, "tests/golden/hf", name), folder)
        with open(os.path.join(folder, file), "rb") as f:
            data = f.read()
        os.remove(os.path.join(folder, file))
        if change:
            assert change(data) != data, (name, file)
            path(os.path.join(folder, file), change(data))
        for command in ["eval", folder, "--text", text, "-f", "q8_0", "-q"], [folder, "-f", "q8_0", "--budget", "4", "-q"]:
            assert wanted in one_sentence(run(*command, expect=1)), command


def test_a_format_without_importances_is_a_row():
    out = os.path.join(TMP, "refused")
    run("default", "--chunks", "2", "--budget", "4", "-f", "q8_0,iq1_s", "-q", "-o", out)
    rows = read_matrix(out)
    refused = [r for r in rows if r["format"] == "gguf/iq1_s"]
    assert refused and all("importance matrix" in r["reason"] and not r["kld"] for r in refused), refused
    assert any(r["format"] == "gguf/q8_0" and r["kld"] for r in rows)


def test_dithered_sources_are_said_to_be():
    source, out = os.path.join(TMP, "to-dither.gguf"), os.path.join(TMP, "dithered")
    run("quantize", "default", "-f", "q8_0", "-o", source, "-q")
    args = (source, "--chunks", "1", "-f", "base/f16,q4_0", "--no-speed", "-q", "-o", out, "--framework", "own")
    for flags, said in (((), (True, False)), (("--dither",), (False, True))):
        run(*args, *flags, expect=None)
        records = [json.loads(line) for line in open(os.path.join(out, "records.jsonl"))]
        assert records and {(r["model"]["source_quantized"], r["model"]["dithered"]) for r in records} == {said}, (flags, records[0]["model"])


def test_a_format_that_overflows_is_a_row():
    out = os.path.join(TMP, "overflow")
    run(path("overflow.gguf", overflowing_model()), "--chunks", "2", "-f", "base/f16,q8_0", "-q", "-o", out)
    rows = {(r["format"], r["framework"]): r for r in read_matrix(out)}
    f16 = [r for (f, _), r in rows.items() if f == "base/f16"]
    assert any("NaN or infinite" in r["reason"] and not r["kld"] for r in f16), f16
    assert any(f == "gguf/q8_0" and r["kld"] for (f, _), r in rows.items()), rows


def columns():
    with open(os.path.join(ROOT, "matrix/columns.def"), encoding="utf-8") as f:
        return re.findall(r"^X\(\w+, (\w+),", f.read(), re.M)


def test_report_files():
    out = os.path.join(TMP, "report")
    p = run("--demo", *QUICK, "--budget", "12s", "-o", out)
    for name in ("report.html", "matrix.csv", "records.jsonl", "decision.json", "summary.md", "device.json"):
        assert os.path.getsize(os.path.join(out, name)) > 0, name
    rows = read_matrix(out)
    assert list(rows[0]) == columns()
    decision = json.load(open(os.path.join(out, "decision.json")))
    assert decision["verdict"] in ("recommended", "tie", "undecided", "nothing-fits")
    picked = [r for r in rows if r["recommended"] == "true"]
    assert len(picked) == (decision["recommended"] is not None)
    for r in rows:
        assert r["framework"] != "own" or r["recommended"] == "false"
        assert r["verdict"] in "recommended ok dominated vetoed cannot-run unsupported failed".split()
    if picked:
        assert picked[0]["speed_from"] in ("measured", "equivalent", "shape-measured") and picked[0]["format"] in p.text
    records = [json.loads(line) for line in open(os.path.join(out, "records.jsonl"))]
    assert {r["format"]["name"] for r in records} >= {"gguf/q8_0", "gguf/q4_k_m", "gguf/q2_k"}
    assert not [f for f in os.listdir(out) if ".tmp-" in f]
    document = json.loads(run("decide", "default", "--json").text)
    assert document["rows"]


def test_nothing_fits():
    p = run("--demo", *QUICK, "--budget", "12s", "--ram", "1M", expect=4)
    assert "cannot" in p.text.lower()
    document = json.loads(run("decide", "default", "--json", "--ram", "1M", expect=4).text)
    assert document["verdict"] == "nothing-fits" and document["recommended"] is None and document["binding_limit"]


def test_budget_of_zero():
    p = run("--demo", "-q", "--format", "q8_0,q4_0", "--budget", "0", "--json")
    assert json.loads(p.text)["rows"]


def test_a_model_larger_than_memory():
    """Layer by layer, as --memory asks: a matrix and a statement of the memory as ever; tasks cannot be asked so."""
    p = run("--no-speed", "--chunks", "1", "--memory", "1M", "-f", "q8_0,q4_k_m", "--json")
    assert re.search(r"layer by layer: 1 formats, 1 chunks, about \d\.\d GiB", p.err), p.err
    assert all(r["kld"] > 0 for r in json.loads(p.text)["rows"] if r["framework"] == "llama.cpp")
    p = run("--memory", "1M", "--tasks", path("t.jsonl", b"{}"), "--no-speed", "-f", "q8_0", expect=1)
    assert "tasks" in one_sentence(p)


def test_killed_run_resumes():
    # two chunks are evaluated whatever the budget, so both runs see the same text
    store = os.path.join(TMP, "killed.db")
    args = ["--demo", "--format", "q8_0,q4_0,q4_k_m", "--chunks", "2", "--store", store, "--budget", "9s", "--json"]
    p = subprocess.Popen([PROGRAM, *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENV, cwd=TMP)
    for line in p.stderr:   # one plain line per step
        if b"chunk 1 of 2" in line:
            break
    p.send_signal(signal.SIGKILL)
    p.wait()
    resumed = json.loads(run(*args, "--resume").text)
    fresh = json.loads(run(*args[:-1], "--json", "--store", os.path.join(TMP, "fresh.db")).text)
    kld = lambda doc: {r["format"]: r["kld"] for r in doc["rows"] if r["kld"] is not None}
    assert kld(resumed) == kld(fresh) and len(kld(fresh)) >= 3


def test_what_is_resumed_is_no_second_point():
    store = os.path.join(TMP, "resumed.db")
    args = ["--no-speed", "--chunks", "2", "-f", "q8_0,q4_0", "--frameworks", "own", "--store", store, "--json"]
    rows = [json.loads(run(*args, *more).text)["rows"] for more in ([], ["--resume"])]
    assert [r["kld"] for r in rows[0]] == [r["kld"] for r in rows[1]]
    n = lambda: [len(s["points"]) for s in json.loads(run("history", "--metric", "kld", "--store", store, "--json").text)]
    assert n() and set(n()) == {1}, n()
    run(*args)                                           # measured again: a second one
    assert set(n()) == {2}, n()


def test_interrupt_keeps_what_is_done():
    out = os.path.join(TMP, "interrupted")
    p = subprocess.Popen([PROGRAM, "--demo", "-o", out, "--budget", "60s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=ENV, cwd=TMP)
    for line in p.stderr:
        if b"chunk 3" in line:
            break
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=120)
    assert p.returncode == 130, p.returncode
    assert read_matrix(out)
    assert not shutil.which("gnuplot") or b"drew nothing" not in err, err[-500:]


if __name__ == "__main__":
    sys.exit(main(globals()))
