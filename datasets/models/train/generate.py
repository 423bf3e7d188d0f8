"""Seeded generator of simple English: stories, explanations, lists, sums, letters.

Half of the training text comes from here.  A rule is a list of alternatives; in a
template `[rule]` is replaced by an expansion of that rule and `{slot}` by a value
that stays the same for the whole piece (a name, a place, the thing that was lost).
`a(n)` becomes "a" or "an" by the word that follows.  Output depends on the seed only.
"""
import random
import re

from words import RULES, PEOPLE, ANIMALS, CRAFTS, THINGS, STORIES, TOPICS, MATERIALS, HOWTO

NUMBERS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen "
           "fourteen fifteen sixteen seventeen eighteen nineteen").split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()


def words_for(n):
    if n < 20:
        return NUMBERS[n]
    if n < 100:
        return TENS[n // 10] + ("-" + NUMBERS[n % 10] if n % 10 else "")
    rest = n % 100
    return NUMBERS[n // 100] + " hundred" + (" and " + words_for(rest) if rest else "")


class Writer:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def expand(self, text, env, sentence=True):
        for _ in range(12):
            new = re.sub(r"\[([a-z_]+)\]", lambda m: self.r.choice(RULES[m.group(1)]), text)
            if new == text:
                break
            text = new
        text = re.sub(r"\{([A-Za-z_]+)\}", lambda m: env[m.group(1)], text)
        text = re.sub(r"\ba\(n\) (?=[\"']?([A-Za-z]))",
                      lambda m: "an " if m.group(1).lower() in "aeiou" else "a ", text)
        text = re.sub(r"A\(n\) (?=([A-Za-z]))",
                      lambda m: "An " if m.group(1).lower() in "aeiou" else "A ", text)
        if not sentence:
            return text
        # a sentence starts with a capital, also inside quotation marks
        text = re.sub(r"(^|[.!?] +[\"']?|\.[\"'] +[\"']?)([a-z])",
                      lambda m: m.group(1) + m.group(2).upper(), text)
        return re.sub(r"^([\"'])([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)

    def person(self, env, key, avoid=()):
        pool = [p for p in PEOPLE if p[0] not in avoid]
        name, sex = self.r.choice(pool)
        pro = {"f": ("she", "her", "her", "herself"), "m": ("he", "him", "his", "himself")}[sex]
        env.update({key: name, key + "_he": pro[0], key + "_him": pro[1],
                    key + "_his": pro[2], key + "_self": pro[3]})
        return name

    def env(self):
        e = {}
        a = self.person(e, "h")
        self.person(e, "f", (a,))
        for k in ("place", "room", "town", "season", "weather", "color", "adj", "food",
                  "animal", "relative", "job", "tool", "small", "day", "time", "river"):
            e[k] = self.expand("[%s]" % k, e, sentence=False)
        e["thing"] = self.r.choice(THINGS)
        e["n"] = words_for(self.r.randint(2, 12))
        e["m"] = words_for(self.r.randint(13, 99))
        return e

    def story(self):
        e = self.env()
        plot = self.r.choice(STORIES)
        out, said = [], set()
        for step in plot:
            para = []
            for item in step:
                # "?x" is said half of the time, so that no two stories share a skeleton
                if item.startswith("?"):
                    if self.r.random() < 0.5:
                        continue
                    item = item[1:]
                for _ in range(6):          # a story does not say the same thing twice
                    s = self.expand(item, e)
                    if s not in said:
                        break
                said.add(s)
                para.append(s)
            if para:
                out.append(" ".join(para))
        text = "\n\n".join(out) if self.r.random() < 0.7 else " ".join(out)
        if self.r.random() < 0.3:
            text = self.expand("[title]", e) + "\n\n" + text
        return text

    def animal(self):
        a = self.r.choice(ANIMALS)
        e = self.env()
        e.update(dict(zip(("name", "plural", "kind", "home", "eats", "look", "fact", "more"), a)))
        parts = [self.expand(self.r.choice(RULES["animal_" + k]), e)
                 for k in self.r.sample(["look", "home", "eats", "fact", "more"], self.r.randint(3, 5))]
        return self.expand("[animal_intro] ", e) + " ".join(parts)

    def topic(self):
        name, sents = self.r.choice(TOPICS)
        n = self.r.randint(3, len(sents))
        keep = sorted(self.r.sample(range(len(sents)), n))
        e = self.env()
        out = []
        for i in keep:
            s = sents[i]
            s = self.r.choice(s) if isinstance(s, (list, tuple)) else s
            if out and self.r.random() < 0.2:
                s = self.expand("[link] ", e) + s[0].lower() + s[1:] if not s.startswith("I ") else s
            out.append(self.expand(s, e))
        head = name.capitalize() + "\n\n" if self.r.random() < 0.3 else ""
        return head + " ".join(out)

    def material(self):
        e = self.env()
        m = self.r.choice(MATERIALS)
        e.update(dict(zip(("mat", "source", "prop", "uses", "bad"), m)))
        k = self.r.sample(["source", "prop", "uses", "bad"], self.r.randint(2, 4))
        return " ".join(self.expand("[mat_%s]" % x, e) for x in k)

    def howto(self):
        title, steps = self.r.choice(HOWTO)
        e = self.env()
        style = self.r.random()
        steps = [self.r.choice(s) if isinstance(s, (list, tuple)) else s for s in steps]
        if style < 0.35:
            body = "\n".join("%d. %s" % (i + 1, self.expand(s, e)) for i, s in enumerate(steps))
        elif style < 0.5:
            body = "\n".join("- " + self.expand(s, e) for s in steps)
        else:
            order = ["First,", "Then", "Next,", "After that,", "Then", "Now", "When that is done,"]
            out = []
            for i, s in enumerate(steps):
                s = self.expand(s, e)
                low = s[0].lower() + s[1:]
                if i == 0:
                    out.append("First, " + low)
                elif i == len(steps) - 1:
                    out.append(self.r.choice(["Finally, ", "Last of all, ", "At the end, "]) + low)
                elif self.r.random() < 0.6:
                    out.append(self.r.choice(order[1:]) + " " + low)
                else:
                    out.append(s)
            body = " ".join(out)
        return "How to " + title + "\n\n" + body

    def sums(self):
        r = self.r
        e = self.env()
        kind = r.randint(0, 5)
        if kind == 0:
            lines = []
            for _ in range(r.randint(4, 10)):
                a, b = r.randint(0, 99), r.randint(0, 99)
                op = r.choice("+-*")
                if op == "-" and a < b:
                    a, b = b, a
                if op == "*":
                    a, b = a % 13, b % 13
                v = a + b if op == "+" else a - b if op == "-" else a * b
                lines.append("%d %s %d = %d" % (a, op, b, v))
            return "\n".join(lines)
        noun = r.choice(RULES["countable"])
        a, b = r.randint(2, 40), r.randint(2, 40)
        w = words_for if r.random() < 0.6 else str
        if kind == 1:
            t = ("{h} had %s %s. {f} gave {h_him} %s more. How many %s did {h} have then? "
                 "{h} had %s %s, because %s and %s make %s.")
            t %= (w(a), noun, w(b), noun, w(a + b), noun, w(a), w(b), w(a + b))
        elif kind == 2:
            a, b = max(a, b) + 1, min(a, b)
            t = ("There were %s %s [in_place]. {h} took %s of them [home_where]. "
                 "That left %s %s, since %s take away %s is %s.")
            t %= (w(a), noun, w(b), w(a - b), noun, w(a), w(b), w(a - b))
        elif kind == 3:
            a, b = r.randint(2, 12), r.randint(2, 12)
            t = ("{h} filled %s [container] with %s %s each. In all there were %s %s, "
                 "for %s times %s is %s.")
            t %= (w(a), w(b), noun, w(a * b), noun, w(a), w(b), w(a * b))
        elif kind == 4:
            s, d = r.randint(0, 20), r.randint(1, 9)
            seq = [s + d * i for i in range(8)]
            t = "Count by %s from %s: %s." % (words_for(d), words_for(s), ", ".join(map(w, seq)))
        else:
            b, q = r.randint(2, 9), r.randint(2, 12)
            t = ("{h} and [some_people] shared %s %s among %s people. Each of them got %s, "
                 "because %s divided by %s is %s.")
            t %= (w(b * q), noun, w(b), w(q), w(b * q), w(b), w(q))
        return self.expand(t, e)

    def dialogue(self):
        e = self.env()
        out = [self.expand("[talk_open]", e)]
        for _ in range(self.r.randint(2, 6)):
            out.append(self.expand("[talk_ask]", e))
            out.append(self.expand("[talk_answer]", e))
        out.append(self.expand("[talk_close]", e))
        return "\n\n".join(out)

    def letter(self):
        e = self.env()
        return self.expand("[letter_open]", e) + "\n\n" + " ".join(
            self.expand(s, e) for s in self.r.sample(RULES["letter_line"], self.r.randint(4, 8))
        ) + "\n\n" + self.expand("[letter_close]", e)

    def scene(self):
        e = self.env()
        n = self.r.randint(4, 9)
        kinds = ["weather_line", "sense_line", "people_line", "place_line", "thought_line", "people_line"]
        lines = [self.expand("[%s]" % self.r.choice(kinds), e) for _ in range(n)]
        return " ".join(dict.fromkeys(lines))

    def craft(self):
        e = self.env()
        e.update(dict(zip(("who", "work", "with_", "why", "hard"), self.r.choice(CRAFTS))))
        return " ".join(self.expand("[craft_%s]" % k, e) for k in
                        ["intro"] + self.r.sample(["day", "tool", "why", "hard", "learn"], self.r.randint(2, 4)))

    def questions(self):
        e = self.env()
        out = []
        for _ in range(self.r.randint(3, 6)):
            if self.r.random() < 0.5:
                a = self.r.choice(ANIMALS)
                q = self.r.choice([("Where do %s live?" % a[1], "%s live %s." % (a[1].capitalize(), a[3])),
                                   ("What do %s eat?" % a[1], "%s eat %s." % (a[1].capitalize(), a[4])),
                                   ("What is a(n) %s?" % a[0], "A(n) %s is a(n) %s." % (a[0], a[2])),
                                   ("What does a(n) %s look like?" % a[0], "It has %s." % a[5])])
            else:
                m = self.r.choice(MATERIALS)
                q = self.r.choice([("Where does %s come from?" % m[0], "%s %s." % (m[0].capitalize(), m[1])),
                                   ("What is %s used for?" % m[0], "People use %s for %s." % (m[0], m[3])),
                                   ("What is %s like?" % m[0], "%s is %s." % (m[0].capitalize(), m[2]))])
            out.append("Q: %s\nA: %s" % (self.expand(q[0], e), self.expand(q[1], e)))
        return "\n\n".join(out)

    KINDS = (("story", 52), ("scene", 10), ("animal", 6), ("topic", 10), ("material", 3), ("howto", 4),
             ("sums", 4), ("dialogue", 5), ("letter", 3), ("craft", 4), ("questions", 2))

    def piece(self):
        kind = self.r.choices([k for k, _ in self.KINDS], [w for _, w in self.KINDS])[0]
        return getattr(self, kind)()


def pieces(seed, limit):
    """Yield pieces until `limit` characters have been written."""
    w, n = Writer(seed), 0
    seen = set()
    while n < limit:
        p = w.piece()
        if p in seen:                   # short pieces come up twice; keep the first
            continue
        seen.add(p)
        n += len(p)
        yield p


if __name__ == "__main__":
    import sys
    for p in pieces(int(sys.argv[1]) if len(sys.argv) > 1 else 0, 20000):
        print(p, end="\n\n----\n\n")
