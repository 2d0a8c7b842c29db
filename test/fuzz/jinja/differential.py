#!/usr/bin/python3
"""Compares noetl.render() with Jinja2 itself over random templates.

  differential.py [--count N] [--seed S] [--show N]

Needs python3-jinja2 and a server with the extension, named by the usual
PG* variables.  Prints TAP.  Both must give the same text, the same JSON
value, or both an error.  What differs is shrunk before it is shown.
"""
import argparse
import functools
import itertools
import json
import math
import random
import re
import resource
import signal
import subprocess
import sys
import types
import warnings

import jinja2
import jinja2.compiler
import jinja2.idtracking
import jinja2.nodes
import jinja2.runtime

import generate

warnings.simplefilter("ignore")
sys.set_int_max_str_digits(4300)

# Text that Python prints for what is no JSON value: nothing to compare with.
NOT_JSON = re.compile(r"(<|&lt;|%3c)[\w.]*(generator|method|function|object|class|iterator|namespace|macro|loopcontext|map|filter)\b|"
                      r"object.{1,5}at.{1,5}0x|(<|&lt;|%3c)(class |built-in|bound|function)|\bset\(\)|dict_\w+iterator|g.?e.?n.?e.?r.?a.?t.?o.?r", re.I | re.S)
# Filters and functions that Jinja2 does not have.
OURS = re.compile(r"to_json|from_json|b64(en|de)code|quote_(literal|ident)")
# Results that are refused on purpose; see the list of deviations in doc/templates.md.
REFUSED = re.compile(r"is not supported|is not allowed|not a value|not a JSON value|is not JSON|exceeds noetl|more than \d+ digits|"
                     r"for -: ('\w+' and )?'dict_(keys|items)'|range: integer is too large|range is too large|"
                     r"nests or recurses|not real|surrogate|NUL|template needs too much")


class NotComparable(BaseException):
    """Python printed what is no JSON value."""


class Unfolded(jinja2.compiler.CodeGenerator):
    """Evaluates constants like everything else: folding changes (-2) ** n and 5[:]."""

    def _output_child_to_const(self, node, frame, finalize):
        if not isinstance(node, jinja2.nodes.TemplateData):
            raise jinja2.nodes.Impossible()
        return super()._output_child_to_const(node, frame, finalize)


def refuse_objects(value):
    """What has no text of its own cannot be compared."""
    if isinstance(value, (types.GeneratorType, types.MethodType, set)) or NOT_JSON.search(str(value)):
        raise NotComparable
    return value


# Names that Jinja2 does not have: to it they are unknown.
OUR_FILTERS = """all any basename bool camelcase coalesce combine contains date_add date_trunc dict2items difference dirname
    flatten from_timestamp from_yaml fromjson get hash intersect items2dict json_path keys mandatory md5 merge product quote
    regex_escape regex_findall regex_replace regex_search sha1 sha256 shell_quote slugify snakecase split splitext strftime
    symmetric_difference ternary timestamp to_datetime to_nice_json to_nice_yaml to_yaml union urldecode urlsplit values zip
    zip_longest""".split()
OUR_TESTS = "all any contains match regex search".split()
OUR_FUNCTIONS = """abs all any bool date_time enumerate float int len list max min now round sorted str sum timedelta today
    uuid zip""".split()
NO_FUNCTION = re.compile("'(%s)' is undefined" % "|".join(OUR_FUNCTIONS))
# Filters in whose result the text of an iterator cannot be seen.
TEXT_FILTERS = "pprint format e escape forceescape safe replace wordcount string striptags center title capitalize upper lower trim truncate wordwrap indent urlize".split()


def not_comparable(*args, **kwargs):
    raise NotComparable


class OurFunction(jinja2.Undefined):
    """Undefined, but here it can be called."""
    __call__ = not_comparable

    def __eq__(self, other):
        return isinstance(other, jinja2.Undefined)

    def __ne__(self, other):
        return not self == other

    __hash__ = jinja2.Undefined.__hash__


def shows_iterator(value):
    """Whether the text of a value has that of an iterator in it: <generator object do_items at 0x...>."""
    return hasattr(value, "__next__") or \
        isinstance(value, (list, tuple, dict)) and NOT_JSON.search(str(value)) is not None


def same_object(value, other):
    """Which equal scalars are one object is Python's own affair; to us all are."""
    if value is not other and isinstance(value, (str, int, float)) and type(value) is type(other) and value == other:
        raise NotComparable
    return value is other


def refuse_iterators_in(join):
    """The operator ~ that does not see the text of an iterator."""
    def wrapper(parts):
        parts = list(parts)
        if any(shows_iterator(part) for part in parts):
            raise NotComparable
        return join(parts)
    return wrapper


def refuse_iterators(function):
    """A filter that does not see the text of an iterator: <list_reverseiterator object at 0x...>."""
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if any(shows_iterator(arg) for arg in args):
            raise NotComparable
        return function(*args, **kwargs)
    return wrapper


def environment():
    """Jinja2 as doc/templates.md promises it."""
    env = jinja2.Environment(optimized=False)
    env.code_generator_class = Unfolded
    env.finalize = refuse_objects
    if jinja2.__version__ < "3.1.4":
        old = env.filters["int"]

        def do_int(value, default=0, base=10):
            """'inf'|int is the default in later versions."""
            try:
                return old(value, default, base)
            except OverflowError:
                if isinstance(value, str):
                    return default
                raise
        env.filters["int"] = do_int
    if jinja2.__version__ < "3.1.5":
        merge = jinja2.idtracking.Symbols.branch_update

        def branch_update(self, branches):
            """A name set in all branches is read from outside in later versions: as if no branch were taken."""
            merge(self, [*branches, self.copy()])
        jinja2.idtracking.Symbols.branch_update = branch_update
    for name in TEXT_FILTERS:
        env.filters[name] = refuse_iterators(env.filters[name])
    for name in ("lower", "upper"):
        env.tests[name] = refuse_iterators(env.tests[name])
    env.tests["sameas"] = same_object
    for name in OUR_FILTERS:
        env.filters.setdefault(name, not_comparable)
    for name in OUR_TESTS:
        env.tests.setdefault(name, not_comparable)
    for name in OUR_FUNCTIONS:
        env.globals[name] = OurFunction(name=name)
    for join in ("str_join", "markup_join"):
        setattr(jinja2.runtime, join, refuse_iterators_in(getattr(jinja2.runtime, join)))
    env.globals.pop("lipsum")
    env.filters.pop("random")
    return env


ENV = environment()


def plain(v, depth=0):
    """A Python value as JSON would have it."""
    if depth > 50:
        raise ValueError("too deep")
    if isinstance(v, jinja2.Undefined):
        return None
    if isinstance(v, bool) or v is None or isinstance(v, (int, float)):
        if isinstance(v, float) and not math.isfinite(v):
            raise ValueError("not JSON")
        return v
    if isinstance(v, str):
        return str(v)
    if isinstance(v, dict):
        out = {}
        for k, x in v.items():
            if not isinstance(k, (str, int, float, bool, type(None))):
                raise TypeError("key")
            out[json.loads(json.dumps({k: 0}).replace(": 0}", "").replace("{", "", 1))] = plain(x, depth + 1)
        return out
    if isinstance(v, (list, tuple, range, types.GeneratorType)) or type(v).__name__ in (
            "dict_keys", "dict_values", "dict_items", "list_reverseiterator", "range_iterator", "dict_reversekeyiterator",
            "reversed", "tuple_iterator", "list_iterator", "dict_reversevalueiterator", "dict_reverseitemiterator"):
        return [plain(x, depth + 1) for x in v]
    raise TypeError("not JSON")


def same(a, b):
    """Equality that tells 1 from 1.0 and True."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


class Timeout(BaseException):
    """The oracle took too much of a processor: some small templates are astronomical."""


def on_alarm(signum, frame):
    raise Timeout


class Case:
    """One template in its context; native: an expression, compared as a value."""

    def __init__(self, template, context, native=False):
        self.template = template
        self.context = context
        self.native = native

    def fresh(self):
        """A copy of the context: some filters of Jinja2 change what they are given."""
        return json.loads(json.dumps(self.context))

    def source(self):
        return "{{ %s }}" % self.template if self.native else self.template + "{##}"

    def evaluate(self):
        """("ok", value), ("error", text) or None; raises what cannot be compared."""
        try:
            if self.native:
                expr = ENV.compile_expression(self.template, undefined_to_none=False)
                value = expr(**self.fresh())
                value = plain(value)
                return None if NOT_JSON.search(str(value)) else ("ok", value)
            text = ENV.from_string(self.source()).render(self.fresh())
            text.encode()
            if "\0" in text:
                return None
            return None if NOT_JSON.search(text) else ("ok", text)
        except (RecursionError, MemoryError):
            return None
        except NameError:       # Jinja2 writes an infinite number as a name into its program
            return None
        except jinja2.UndefinedError as e:
            return None if NO_FUNCTION.match(str(e)) else ("error", "UndefinedError: %s" % e)
        except Exception as e:
            # what looks for a pair among the items of a map hashes the first of the two; ours are a list
            if "unhashable" in str(e) and ".items()" in self.template:
                return None
            # Python finds it in its program, also where that is never run; ours where it is called
            if "keyword argument repeated" in str(e):
                return None
            return "error", "%s: %s" % (type(e).__name__, e)

    def oracle(self):
        """("ok", value), ("error", text) or None where there is nothing to compare."""
        if OURS.search(self.template):
            return None
        try:
            signal.setitimer(signal.ITIMER_PROF, 0.5)
            return self.evaluate()
        except (Timeout, NotComparable):
            return None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def agree(case, expected, got):
    """Do oracle and server say the same?"""
    if expected is None:
        return True
    if expected[0] == "error":
        return "error" in got
    if "error" in got:
        return bool(REFUSED.search(got["error"]))
    return same(expected[1], got["ok"])


SETUP = r"""
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SET noetl.template_coerce = off;
CREATE FUNCTION pg_temp.try_render(t text, c jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_object('ok', noetl.render(t, c));
EXCEPTION WHEN OTHERS THEN
  RETURN jsonb_build_object('error', SQLERRM, 'state', SQLSTATE);
END $$;
CREATE TEMP TABLE cases (id int, t text, c jsonb);
COPY cases FROM STDIN;
"""


def copy_escape(s):
    return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def run_server(cases):
    """Renders all cases in one psql session."""
    lines = [SETUP]
    for i, c in enumerate(cases):
        lines.append("%d\t%s\t%s\n" % (i, copy_escape(c.source()),
                                       copy_escape(json.dumps(c.context, ensure_ascii=False))))
    lines.append("\\.\nCOPY (SELECT pg_temp.try_render(t, c) FROM cases ORDER BY id) TO STDOUT;\n")
    p = subprocess.run(["psql", "-X", "-q", "-A", "-t"], input="".join(lines).encode(),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode != 0:
        print("Bail out! psql: " + p.stderr.decode().strip().replace("\n", " "))
        sys.exit(1)
    out = p.stdout.decode("utf-8", "replace").split("\n")[:-1]
    unescape = {"\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\r": "\r", "\\b": "\b", "\\f": "\f", "\\v": "\v"}
    return [json.loads(re.sub(r"\\.", lambda m: unescape[m.group()], line)) for line in out]


STATISTICS = {"ok": 0, "error": 0, None: 0}


def differing(cases):
    """The cases on which the two differ, with what both said."""
    expected = [c.oracle() for c in cases]
    for e in expected:
        STATISTICS[e and e[0]] += 1
    got = run_server(cases)
    return [(c, e, g) for c, e, g in zip(cases, expected, got) if not agree(c, e, g)]


def smaller(case):
    """Simpler neighbours of a case."""
    out = []
    parts = re.findall(r"\w+|\s+|\{[%{#]-?|-?[%}#]\}|.", case.template, re.S)
    n = len(parts)
    size = n // 2
    while size >= 1:
        for i in range(0, n - size + 1, max(1, size // 2)):
            out.append(Case("".join(parts[:i] + parts[i + size:]), case.context, case.native))
        size //= 2
    for k in case.context:
        if k not in case.template:
            out.append(Case(case.template, {x: v for x, v in case.context.items() if x != k}, case.native))
        for v in (1, "x", [], {}, None):
            if case.context[k] != v and len(json.dumps(case.context[k])) > len(json.dumps(v)):
                out.append(Case(case.template, dict(case.context, **{k: v}), case.native))
        if isinstance(case.context[k], list) and case.context[k]:
            out.append(Case(case.template, dict(case.context, **{k: case.context[k][1:]}), case.native))
            out.append(Case(case.template, dict(case.context, **{k: case.context[k][:-1]}), case.native))
    return out[:400]


def shrink(found):
    """Makes a failing case as small as it gets."""
    for _ in range(40):
        failing = differing(smaller(found[0]))
        if not failing:
            break
        found = min(failing, key=lambda f: len(f[0].template) + len(json.dumps(f[0].context)))
    return found


FAMILIES = ["expressions as text", "expressions as values", "statements", "filters", "methods and formats", "damaged templates"]


PORTION = 20000     # cases that are in memory at a time


def make_cases(family, count, seed):
    """Yields the cases of a family."""
    g = generate.Generator("%s/%s" % (seed, family))
    context = g.context()
    previous = "{{ a }}"
    for i in range(count):
        if i % 4 == 0:
            context = g.context()
        g.locals = []
        native = family == 1
        if family in (0, 1):
            t = g.expr(3)
        elif family == 2:
            t = g.template()
        elif family == 3:
            t = "%s|%s" % (g.r.choice([g.name(), "(%s)" % g.expr(1)]), g.filter(1))
        elif family == 4:
            t = g.r.choice([g.method, lambda d: g.format()])(1)
        else:
            t = generate.mutate(g.r.choice([g.template(), g.print(3)]), previous, g.r)
            previous = t
        if family in (0, 3, 4):
            t = "{{ %s }}" % t
        yield Case(t, context, native)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20400)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    signal.signal(signal.SIGPROF, on_alarm)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    if args.seed == "random":
        args.seed = str(random.randrange(10 ** 9))
    print("1..%d" % len(FAMILIES))
    print("# seed %s, jinja2 %s" % (args.seed, jinja2.__version__))
    failed = False
    for family, name in enumerate(FAMILIES):
        cases = make_cases(family, args.count // len(FAMILIES), args.seed)
        STATISTICS.update({"ok": 0, "error": 0, None: 0})
        found = []
        while portion := list(itertools.islice(cases, PORTION)):
            found += differing(portion)
        statistics = dict(STATISTICS)
        print("%sok %d - %s: %d results, %d errors, %d not comparable, %d differ" % (
            "not " if found else "", family + 1, name, statistics["ok"], statistics["error"], statistics[None], len(found)), flush=True)
        failed = failed or bool(found)
        for f in found[:args.show]:
            case, expected, got = shrink(f)
            print("# template: %r\n# context:  %s\n# jinja2:   %r\n# noetl:    %r" % (
                case.source(), json.dumps({k: v for k, v in case.context.items() if k in case.template}, ensure_ascii=False),
                expected, got), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
