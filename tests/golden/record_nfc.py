#!/usr/bin/env python3
"""Records tests/golden/nfc.txt from Python's unicodedata: texts and what normalization form C makes of them, as
UTF-8 in hexadecimal, "TEXT COMPOSED" a line. usage: record_nfc.py"""
import os
import random
import unicodedata

HERE = os.path.dirname(os.path.abspath(__file__))


def interesting():
    """Characters that take part in composition: those NFC changes, what NFD makes of others, Hangul."""
    out = set()
    for c in range(0x110000):
        if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn":
            d = unicodedata.normalize("NFD", chr(c))
            if d != chr(c) and not 0xAC00 <= c < 0xD7A4:
                out.update(d)
                out.add(chr(c))
            if unicodedata.combining(chr(c)):
                out.add(chr(c))
    return sorted(out)


def main():
    rng = random.Random(1)
    pool = interesting()
    hangul = [chr(c) for c in (0x1100, 0x1112, 0x1161, 0x1175, 0x11A7, 0x11A8, 0x11C2, 0x11C3, 0xAC00, 0xAC01, 0xD7A3)]
    changed = [c for c in pool if unicodedata.normalize("NFC", c) != c]
    texts = ["e\u0301 a\u0308 n\u0303", "\u212b \u2126 \u212a", "\u0958\u0915\u093c", "q\u0307\u0323", "\u1e0b\u0323", "\u09c7\u09be",
             "\u0bc6\u0bbe", "\ufa10\uf900\U0002f800", "a" * 40 + "\u0301" * 40, "plain ascii", "\u00e9\u00fc", "\u0344\u0374\u037e"]
    texts += [c for i, c in enumerate(changed) if i % 5 == 0]
    for i in range(300):
        n = rng.randint(2, 9)
        texts.append("".join(rng.choice(pool if rng.random() < 0.7 else hangul if rng.random() < 0.6 else "aeioqx ") for _ in range(n)))
    with open(os.path.join(HERE, "nfc.txt"), "w") as f:
        f.write(f"# unicodedata {unicodedata.unidata_version}\n")
        for t in texts:
            f.write(f"{t.encode().hex()} {unicodedata.normalize('NFC', t).encode().hex()}\n")


if __name__ == "__main__":
    main()
