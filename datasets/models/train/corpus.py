"""Collect the training text: allow-listed Debian packages and generated English.

Every package is named here with the SHA-256 of its copyright file.  A package whose
copyright file differs is refused: its terms have to be read again first, because a
Debian package of text may well be GPL or GFDL.
    python corpus.py WORKDIR      writes WORKDIR/train.jsonl and WORKDIR/valid.jsonl
"""
import glob
import gzip
import hashlib
import html
import json
import os
import random
import re
import subprocess
import sys

import generate

# package: (files, reader, copies in the training text, SHA-256 of usr/share/doc/PACKAGE/copyright)
PACKAGES = {
    "bible-kjv-text": ("usr/lib/bible.data", "kjv", 2,
                       "ef78fb9c1d25f4de7977d259ba48b424e51d3ac757364ee38f92da77e4f34775"),
    "dict-devil": ("usr/share/dictd/*.dict.dz", "dictd", 3,
                       "c9c61bf236869d7480556a0dddfb791a315c24e3655bda28b4f8761d14559ba4"),
    "dict-jargon": ("usr/share/dictd/*.dict.dz", "dictd", 2,
                       "db17295985338763f3ebb264fec042d792aa293cdc1082822a46a6021572e1ac"),
    "golang-github-klauspost-compress-dev": ("usr/share/gocode/**/compress/testdata/Mark.Twain-Tom.Sawyer.txt", "text",
                                             8,
                       "074a1fdb76ef344294beb0f7a188007c2eca51fe6f428b23457b23a50e6987ee"),
    "golang-1.19-src": ("usr/share/go-1.19/src/testdata/Isaac.Newton-Opticks.txt", "text", 3,
                       "3438b01d606caa8a2240889fc80c9cd51b44ea87ac97bcedf670713027fd7df1"),
    "wordnet-base": ("usr/share/wordnet/data.*", "wordnet", 1,
                     "f461bac9a5a1810c4fe1e3cec0a980f79406e3a8c1c147f3874979fb00e2cc0e"),
    "sqlite3-doc": ("usr/share/doc/sqlite3/**/*.html", "html", 1,
                    "78e9df8f8153c91c762ec970b82d224ac4d30f05aa7773e7e17e268141e53873"),
    "postgresql-doc-15": ("usr/share/doc/postgresql-doc-15/html/*.html", "html", 1,
                          "afcc052a946b4117667527211b4ca303f07044f5585222f4c8f577e0764b2123"),
    "python3.11-doc": ("usr/share/doc/python3.11/html/_sources/**/*.rst.txt", "rst", 1,
                       "f1cbf908e1daa8789b389fdcf17811ed36b675d736b39a103591399861350382"),
    "rust-doc": ("usr/share/doc/rust-doc/html/[bner]*/**/*.html", "html", 1,
                 "adc1fc569f91e8c20ab9a753b515154f69c1769ea8c500b10ef1ae4b5fa88c34"),
}
# the books of rust-doc under MIT or Apache-2.0; the rest is API reference, and the prose of
# the embedded book is CC-BY-SA and stays out
RUST_BOOKS = ("/html/book/", "/html/nomicon/", "/html/edition-guide/", "/html/reference/", "/html/rust-by-example/",
              "/html/rustc/")
HELPER = "bible-kjv"          # its program unpacks bible.data; nothing of it enters the text
GENERATED_CHARS = 24_000_000
SEED = 20260601


def fetch(package, work):
    root = os.path.join(work, "x-" + package)
    if not os.path.isdir(root):
        subprocess.run(["apt-get", "download", package], cwd=work, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deb = glob.glob(os.path.join(work, package + "_*.deb"))[0]
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return root


def check_licence(package, root):
    path = os.path.join(root, "usr/share/doc", package, "copyright")
    digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
    if digest != PACKAGES[package][3]:
        sys.exit("%s: copyright file has SHA-256 %s, which is not on the list; read it first" % (package, digest))


def paragraphs(text):
    """Join wrapped lines, drop what is not prose."""
    out = []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r", "")):
        p = re.sub(r"\s+", " ", block).strip()
        letters = sum(c.isalpha() or c == " " for c in p)
        if len(p) > 2 and letters > 0.75 * len(p):
            out.append(p)
    return out


def read_text(path):
    text = open(path, encoding="utf-8", errors="ignore").read()
    # the words of the transcribers stay out, what remains is the old book
    text = re.sub(r"(?s)^Produced by.*?\n\n\n", "", text).split("End of the Project Gutenberg")[0]
    yield paragraphs(re.sub(r"_(\w[^_]*)_", r"\1", text))


def read_html(path):
    if "rust-doc" in path and not any(b in path for b in RUST_BOOKS):
        return
    if path.endswith("print.html"):       # the whole book a second time
        return
    t = open(path, encoding="utf-8", errors="ignore").read()
    t = re.sub(r"(?is)<(script|style|pre|nav|head|table|svg)\b.*?</\1>", "\n\n", t)
    t = re.sub(r"(?is)<div class=.nav(header|footer).*?</table>\s*</div>", "", t)
    t = re.sub(r"(?i)</?(p|div|h[1-6]|li|ul|ol|dd|dt|dl|section|blockquote|main|br)\b[^>]*>", "\n\n", t)
    t = html.unescape(re.sub(r"(?s)<[^>]*>", "", t))
    # one-word blocks are menus and index entries
    yield [p for p in paragraphs(t) if p.count(" ") >= 5]


def read_rst(path):
    out = []
    for block in re.split(r"\n\s*\n", open(path, encoding="utf-8", errors="ignore").read()):
        if re.match(r"\s*(\.\. |>>>|\.\.\.|:|\+-|=|[-~^#*]{3})", block) or block.endswith("::"):
            continue
        block = re.sub(r":[\w:.-]+:`[~!]?([^`<]*?)(?: <[^`]*>)?`", r"\1", block)
        block = re.sub(r"`+([^`<]*?)(?: <[^`]*>)?`+_*", r"\1", block)
        block = block.replace("**", "").replace("\\", "")
        out.append(block)
    yield [p for p in paragraphs("\n\n".join(out)) if p.count(" ") >= 5]


def read_dictd(path):
    t = gzip.open(path, "rt", encoding="utf-8", errors="ignore").read()
    t = re.sub(r"\{\s*([^{}]*)\}", r"\1", t)
    yield [p for p in paragraphs(t[t.index("\n\n"):]) if p.count(" ") >= 3]


def read_kjv(path):
    """One document per chapter, the verses without their numbers."""
    lib = os.path.dirname(path) + "/"
    program = os.path.join(lib, "../../../x-" + HELPER, "usr/bin/bible")
    out = subprocess.run([program, "-l100000", "-d", "bible.data", "-p", lib, "gen1:1-rev22:21"],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    verses = []
    for line in out.split("\n"):
        m = re.match(r"\s+\d+ (.*)", line)
        if m:
            verses.append(re.sub(r"[{}<>\[\]]", "", m[1]).strip())
        elif re.match(r"\w.* \d+$", line) and verses:          # heading of the next chapter
            yield [" ".join(verses)]
            verses = []
    yield [" ".join(verses)]


def read_wordnet(path):
    """Definitions as sentences: the word, then its gloss; examples stand by themselves."""
    pos = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}[path.rsplit(".", 1)[1]]
    lines = []
    for line in open(path, encoding="utf-8", errors="ignore"):
        if line.startswith("  "):
            continue
        head, _, gloss = line.partition("|")
        f = head.split()
        words = [f[4 + 2 * i].replace("_", " ").split("(")[0] for i in range(int(f[3], 16))]
        gloss = gloss.strip()
        examples = re.findall(r'"([^"]+)"', gloss)
        meaning = re.sub(r'[;,:]?\s*"[^"]*"', "", gloss).strip(" ;,")
        if pos == "n":
            name = words[0]
            s = "%s: %s." % (name[0].upper() + name[1:], meaning)
        elif pos == "v":
            s = "To %s means to %s." % (words[0], meaning)
        else:
            s = "%s means %s." % (words[0][0].upper() + words[0][1:], meaning)
        if len(words) > 1:
            s += " Also: %s." % ", ".join(words[1:])
        for x in examples:
            x = x.strip()
            if x.count(" ") >= 2:
                s += " " + x[0].upper() + x[1:] + ("" if x[-1] in ".!?" else ".")
        lines.append(s)
    random.Random(SEED).shuffle(lines)
    for i in range(0, len(lines), 12):
        yield ["\n".join(lines[i:i + 12])]


def pieces_of(pars, limit=6000):
    """Cut a long document at paragraph ends, so that shuffling mixes the sources well."""
    piece, n = [], 0
    for p in pars:
        piece.append(p)
        n += len(p)
        if n > limit:
            yield "\n\n".join(piece)
            piece, n = [], 0
    if n > 200:
        yield "\n\n".join(piece)


def main(work):
    os.makedirs(work, exist_ok=True)
    fetch(HELPER, work)
    train, valid, stats = [], [], []
    for package, (files, reader, copies, _) in PACKAGES.items():
        root = fetch(package, work)
        check_licence(package, root)
        docs, seen = [], set()
        for path in sorted(glob.glob(os.path.join(root, files), recursive=True)):
            for pars in globals()["read_" + reader](path):
                for piece in pieces_of(pars):
                    key = hashlib.md5(piece.encode()).digest()
                    if key not in seen:
                        seen.add(key)
                        docs.append(piece)
        stats.append((package, len(docs), sum(map(len, docs)), copies))
        for i, d in enumerate(docs):
            if i % 100 == 50:
                valid.append(d)
            else:
                train += [d] * copies
    docs = list(generate.pieces(SEED, GENERATED_CHARS))
    stats.append(("(generated)", len(docs), sum(map(len, docs)), 1))
    train += docs
    valid += list(generate.pieces(SEED + 1, 200_000))
    random.Random(SEED).shuffle(train)
    random.Random(SEED).shuffle(valid)
    for name, docs in (("train", train), ("valid", valid)):
        with open(os.path.join(work, name + ".jsonl"), "w") as f:
            for d in docs:
                f.write(json.dumps(d) + "\n")
    for package, n, chars, copies in stats:
        print("%-40s %7d pieces %10d characters x %d" % (package, n, chars, copies))
    print("train %d characters, valid %d" % (sum(map(len, train)), sum(map(len, valid))))


if __name__ == "__main__":
    main(sys.argv[1])
