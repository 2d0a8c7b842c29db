#!/usr/bin/python3
"""Compares noetl's YAML reader with PyYAML's safe_load.

  yaml_differential.py PIPE [--count N] [--seed S] [file ...]

PIPE is the program yaml_pipe that yaml_build.sh makes.  With files, these are
compared; without, the fixed cases below and N generated documents.  What
is known to differ (the scanners of libyaml and PyYAML; tagged numbers) is
counted, not reported.  Duplicate keys, sets and infinity are errors on both
sides here, dates are text.  Exit status 1 when anything else differs.
"""
import argparse
import json
import math
import random
import subprocess
import sys

import yaml


class DuplicateKey(Exception):
    pass


class NoJson(Exception):
    pass


class Loader(yaml.SafeLoader):
    """safe_load, but dates stay text, and duplicate keys are seen."""

    def flatten_mapping(self, node):
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and not getattr(node, "flat", False):
                if key.tag == "tag:yaml.org,2002:merge":
                    text = key.tag
                else:
                    text = key_text(self.construct_object(key, deep=True)
                                    if key.tag != "tag:yaml.org,2002:value" else key.value)
                if text in seen:
                    raise DuplicateKey(text)
                seen.add(text)
        node.flat = True
        super().flatten_mapping(node)


def construct_map(loader, node):
    loader.flatten_mapping(node)
    result = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (dict, list)):
            raise yaml.constructor.ConstructorError(None, None, "unhashable", key_node.start_mark)
        result[key_text(key)] = loader.construct_object(value_node, deep=True)
    return result


def refuse(loader, node):
    raise NoJson(node.tag)


Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)
Loader.add_constructor("tag:yaml.org,2002:binary", yaml.SafeLoader.construct_yaml_str)
Loader.add_constructor("tag:yaml.org,2002:map", construct_map)
for name in ("set", "omap", "pairs"):
    Loader.add_constructor("tag:yaml.org,2002:" + name, refuse)


def key_text(key):
    """The text of a key as json.dumps writes it."""
    if isinstance(key, str):
        return key
    check(key)
    return list(json.loads(json.dumps({key: 0})))[0]


def check(value):
    """Refuses what JSON or jsonb cannot hold."""
    if isinstance(value, float) and (math.isinf(value) or math.isnan(value)):
        raise NoJson("not finite")
    if isinstance(value, str):
        if "\0" in value:
            raise NoJson("NUL")
        value.encode("utf-8")
    elif isinstance(value, list):
        for item in value:
            check(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            check(key)
            check(item)
    return value


def reference(text):
    """("ok", value) or ("error", reason)."""
    try:
        return "ok", check(yaml.load(text, Loader))
    except (yaml.YAMLError, DuplicateKey, NoJson, RecursionError, ValueError, KeyError,
            AttributeError, IndexError, TypeError, OverflowError) as error:
        return "error", f"{type(error).__name__}: {error}".replace("\n", " ")


class Reader:
    """noetl's reader behind a pipe."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, text):
        data = text.encode("utf-8")
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode("utf-8")
        if not line:
            raise SystemExit(f"the reader died on {text!r}")
        kind, _, rest = line.rstrip("\n").partition(" ")
        return (kind, json.loads(rest)) if kind == "ok" else (kind, rest)


def same(a, b):
    """Equality that tells 1, 1.0 and true apart."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b


# Differences between libyaml and PyYAML's own scanner; either answer is right.
SCANNER = (
    "found character '\\t'", "cannot start any token", "found unexpected ':'",
    "block scalar", "tab", "directive", "special characters are not allowed",
    "found undefined tag handle", "while scanning a tag", "while parsing a tag",
    "while scanning an anchor", "while scanning an alias", "while scanning a plain scalar",
    "did not find expected alphabetic or numeric character", "but got '?'",
)

# What noetl refuses on purpose and PyYAML reads: numbers that only their tag
# makes one (!!int 1:99), and a mapping that merges itself.
STRICTER = ("is not an integer", "is not a float", "stands inside the value it names")

SCALARS = """
yes Yes YES yEs no on off On OFF true True TRUE tRue y n Y N null Null NULL nULL ~ ~~
0 1 -1 +1 00 01 07 08 010 -010 +010 0_7 0_ 0o7 0b1 0b101 -0b11 0b 0b_ 0b12 0x 0x_ 0xff 0xFF
-0x1F +0x_f 1_000 1_ _1 1__0 1:30 1:60 1:5 1:05 1:005 -1:30 1_0:30 190:20:30 0:30 01:30 1:30:
:30 1:30.5 1:30. 0:30.5 190:20:30.15 -1:30.5 +1:30.25 1:60.5 1:30.5e3 123456789012345678901234567890
-9223372036854775809 0xffffffffffffffffffff 0b1111111111111111111111111111111111111111111111111111111111111111111
07777777777777777777777777 99999999999999999999:59:59 . .. ... 1. -1. +1. 1.0 1.5 -1.5 +1.5 .5 -.5 +.5
._5 .5_ .5_5 1._5 1_.5 1.e3 1e3 1e+3 1.0e3 1.0e+3 1.0E-3 1.5e+300 1.0e+309 -1.0e+400 1.0e-400 5.0e-324
.5e+3 .5e3 1.0e+ 1.0e+1_0 0.1 0.30000000000000004 123456789.123456789 1e16 1.0e+16 1.0e+15 9007199254740993.0
1234567890123456.0 12345678901234567.0 0.0001 0.00001 -0.0 0.0 100.0 1.10 .inf -.inf +.inf .Inf .INF .iNF
.nan .NaN .NAN -.nan inf nan Infinity 2001-01-01 2001-01-01T00:00:00Z 2001-13-45 1-1 1.2.3 1,000 1/2 12e03
<< = =x << == <<< 0.1.2 - -- +- + 1+1 1-1 +-1 0x1.8p3 1.0f 0xg 1:2:3:4:5:6:7:8.5 1: a:b %x @x `x
""".split()

CASES = [
    "", "\n", "# only a comment\n", "---\n", "---\n...\n", "--- a\n--- b\n", "a\n...\nb\n", "\ufeffa: 1\n",
    "a: 1\na: 2\n", "1: a\n'1': b\n", "true: a\nyes: b\n", "1: a\n1.0: b\n", "1: a\ntrue: b\n",
    "~: a\nnull: b\n", "? a\n? b\n", "? [a]\n: b\n", "? {a: 1}\n: b\n", "{{ x }}", "a: {{ x }}", "{{ x }}: a",
    "a: {{ x }} y\n", "[{{ x }}]", "=: 1\n", "a: =\n", "- =\n", "- <<\n", "- '<<'\n", "'<<': 1\n",
    "<<: {a: 1}\n", "<<: {a: 1}\na: 2\n", "a: 2\n<<: {a: 1, b: 3}\n", "<<: [{a: 1}, {a: 2, b: 3}]\n",
    "<<: [{a: 1}, [b]]\n", "<<: 1\n", "<<:\n", "<<: []\na: 1\n", "<<: {}\n", "<<: {a: 1}\n<<: {b: 1}\n",
    "x: &x {a: 1, b: 2}\ny: &y {<<: *x, b: 3, c: 4}\nz: {<<: [*y, *x], d: 5}\n",
    "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {d: 5, <<: [*x, *y], c: 6}\n",
    "a: &a 1\nb: *a\n*a : c\n", "a: &a [1]\n*a : c\n", "a: &a [*a]\n", "a: *b\n", "&a a: &a b\n", "&a a: *a\n",
    "a: &x\nb: *x\n", "- &a a\n- &a b\n", "&a {<<: *a}\n",
    "!!str 1", "!!str\n", "!!int '12'", "!!int a", "!!int 1.5", "!!float 1", "!!float 1e3", "!!float a",
    "!!float '1:30'", "!!bool yEs", "!!bool x", "!!null x", "!!map {a: 1}", "!!map [a]", "!!seq [a]", "!!seq {a: 1}",
    "!!str [a]", "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!binary aGVsbG8=", "!!timestamp 2001-01-01",
    "!x a", "!!python/object:os.system a", "!<tag:yaml.org,2002:int> 5", "! 12", "! [a]", "!!merge <<: {a: 1}",
    "%TAG !y! tag:yaml.org,2002:\n--- !y!str 1\n", "%YAML 1.1\n---\na\n", "%TAG ! !x\n%TAG ! !y\n---\na\n",
    "a: |\n  x\n   y\n\n  z\n\n", "a: >\n  x\n  y\n\n  z\n   w\n  v\n\n\n", "a: |-\n  x\n", "a: |+\n  x\n\n", "a: |2\n   x\n",
    "a: |\n\n  x\n", "a: |\nb: 1\n", "a: >-\n\n\n  x\n", "'a\n  b\n\n  c'", '"a\\\n  b\\n\\x41\\u00e9\\U0001F600 \\" \\/"',
    '"\\0"', '"\\ud800"', '"\\ud83d\\ude00"', "a\n b\n\n c\n", "a: b: c\n", "a:\n\t- b\n", "a: 'x\n", "[a, b\n", "a\nb: c\n",
    "- a\n - b\n", "a:\n- b\n- c\n", "- - a\n  - b\n- c\n", "a: [b: c, d]\n", "[? a : b]", "{a, b: , c: d}", "{a:1}", '{"a":1}',
    "a #b\n", "a#b\n", "a: b\r\nc: d\r\n", "a: b\rc: d\r", "a: x\u2028b\n", "a: x\x85b\n", "é: ü\n", "\x01", "\x7f", "a: 😀\n",
    "a: " + "1" * 4301, "a: " + "1" * 4300, "a: 0x" + "f" * 3000, "a: " + "1." + "1" * 3000,
    "[" * 400 + "]" * 400, "!!float .5", "!!float -.5", "!!float 5.",
    "a: &a [x,x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
]


def scalar(rng):
    if rng.random() < 0.6:
        return rng.choice(SCALARS)
    return "".join(rng.choice("0123456789_.:+-eExXbo~ani") for _ in range(rng.randint(1, 8)))


def inline(rng, depth):
    """A flow node."""
    roll = rng.random()
    if depth > 3 or roll < 0.55:
        return scalar(rng)
    if roll < 0.62:
        return json.dumps(scalar(rng))
    if roll < 0.67:
        return "'" + scalar(rng) + "'"
    if roll < 0.7:
        return rng.choice(["!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!map ", "!x "]) + scalar(rng)
    if roll < 0.74:
        return rng.choice(["&a ", "&b "]) + inline(rng, depth + 1)
    if roll < 0.78:
        return rng.choice(["*a", "*b"])
    if roll < 0.89:
        return "[" + ", ".join(inline(rng, depth + 1) for _ in range(rng.randint(0, 3))) + "]"
    return "{" + ", ".join(rng.choice(["<<", scalar(rng)]) + ": " + inline(rng, depth + 1)
                           for _ in range(rng.randint(0, 3))) + "}"


def block(rng, indent, depth):
    """Lines of a block node."""
    pad = " " * indent
    lines = []
    kind = rng.random()
    for _ in range(rng.randint(1, 4)):
        head = pad + ("- " if kind < 0.35 else rng.choice(["<<", "k", "l", "m", scalar(rng)]) + ": ")
        roll = rng.random()
        if depth < 3 and roll < 0.3:
            lines.append(head.rstrip(" ") + rng.choice(["", " &a", " &b", " &c"]))
            lines += block(rng, indent + rng.randint(1, 3), depth + 1)
        elif roll < 0.42:
            lines.append(head + rng.choice(["|", ">", "|-", ">-", "|+", ">+"]))
            deeper = indent + rng.randint(1, 3)
            for _ in range(rng.randint(0, 4)):
                lines.append(rng.choice(["", " " * deeper + rng.choice(["", "", " "]) + scalar(rng)]))
        else:
            lines.append(head + inline(rng, 0))
    return lines


def document(rng):
    text = "\n".join(block(rng, 0, 0)) + "\n"
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice("\t\n :-[]{},&*!|>'\"%@`#?") + text[at + 1:]
    return text


def documents(rng, count):
    yield from CASES
    for text in SCALARS:
        yield text
        yield f"- {text}\n"
        yield f"{text}: 1\n"
        yield f"'{text}'"
        for tag in ("int", "float", "bool", "str", "null"):
            yield f"!!{tag} '{text}'"
    for _ in range(count):
        yield scalar(rng)
        yield document(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pipe")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    reader = Reader(options.pipe)
    counts = {"equal": 0, "both refuse": 0, "scanner": 0, "stricter": 0, "different": 0}

    if options.files:
        texts = (open(name, encoding="utf-8", newline="").read() for name in options.files)
    else:
        texts = documents(random.Random(options.seed), options.count)
    for text in texts:
        ours, theirs = reader.read(text), reference(text)
        if ours[0] == theirs[0] == "ok" and same(ours[1], theirs[1]):
            counts["equal"] += 1
        elif ours[0] == theirs[0] == "error":
            counts["both refuse"] += 1
        elif any(side[0] == "error" and any(word in side[1] for word in SCANNER)
                 for side in (ours, theirs)):
            counts["scanner"] += 1
        elif ours[0] == "error" and any(word in ours[1] for word in STRICTER):
            counts["stricter"] += 1
        else:
            counts["different"] += 1
            if counts["different"] <= 40:
                print(f"{text[:300]!r}\n  noetl  {ours!r:.300}\n  PyYAML {theirs!r:.300}")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
