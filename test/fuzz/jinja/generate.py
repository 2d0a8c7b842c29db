"""Random templates and contexts for the differential test.

Everything is drawn from one random.Random, so that a seed is a test case.
The generator knows types only loosely: about a third of what it makes is
wrong on purpose, because errors must agree as well.
"""
import random
import sys

NAMES = ["a", "b", "c", "n", "f", "s", "t", "xs", "ys", "d", "rows", "nested", "nope"]
ATTRS = ["a", "b", "x", "name", "items", "id", "0", "keys", "value", "city"]
WORDS = ["foo", "Bar", "BAZ", "", " ", "a b c", "x-y z", "Straße", "ΑΣ", "ǆ", "İi", "ﬁn", "naïve café",
         "<b>&\"'</b>", "it's", 'say "hi"', "both ' and \"", "line1\nline2", "tab\there", "1", "42", " 7 ", "3.7", "-0.5", "1e3",
         "1_000", "0x1f", "inf", "nan", "true", "٣٤", "\u200b", "\u00a0x", "日本語", "😀!", "a,b,c", "k=v", "%s", "%d%%", "{}",
         "{0}-{0}", "http://example.com/a?b=c", "see www.foo.org.", "me@example.com", "(https://x.io)", "the quick brown fox jumps",
         "a-b-c", "hello world foo bar baz qux", "\x1c", "\x85", "AbC dEf", "&lt;p&gt;", "<p>x</p> y", "&amp;&eacute;&#39;", "ß", "ŉ"]
INTS = [0, 1, -1, 2, 3, 5, 7, 10, -3, 42, 100, 255, 1000, 65536, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -2**63, 10**20]
FLOATS = [0.0, 1.0, -1.5, 2.5, 0.1, 3.14159, 2.675, 1e-05, 100.0, 12345.678, 0.30000000000000004, 1.5, -2.5, 999999.5, 1e15]

FILTERS0 = ["abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat", "first", "float",
            "forceescape", "int", "items", "join", "last", "length", "list", "lower", "max", "min", "pprint", "reverse", "round", "safe",
            "sort", "string", "striptags", "sum", "title", "trim", "unique", "upper", "urlencode", "urlize", "wordcount",
            "wordwrap", "xmlattr", "tojson", "select", "reject", "center", "truncate", "indent"]
TESTS0 = ["boolean", "callable", "defined", "escaped", "even", "false", "filter", "float", "integer", "iterable", "lower",
          "mapping", "none", "number", "odd", "sequence", "string", "test", "true", "undefined", "upper"]
TESTS1 = ["divisibleby", "eq", "ne", "lt", "le", "gt", "ge", "==", "in", "equalto", "greaterthan", "lessthan", "sameas"]
STR_METHODS = ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip()",
               "split()", "splitlines()", "isalnum()", "isalpha()", "isdigit()", "isdecimal()", "isnumeric()", "isspace()",
               "islower()", "isupper()", "istitle()", "isidentifier()", "isprintable()", "isascii()", "expandtabs()",
               "split(%s)", "rsplit(%s)", "split(%s, 1)", "rsplit(%s, 1)", "rsplit(none, 1)", "split(none, 1)", "strip(%s)",
               "lstrip(%s)", "find(%s)", "rfind(%s)", "index(%s)", "count(%s)", "startswith(%s)", "endswith(%s)",
               "replace(%s, %s)", "replace(%s, %s, 1)", "partition(%s)", "rpartition(%s)", "join(%s)", "zfill(8)", "center(11)",
               "ljust(9)", "rjust(9, '*')", "center(8, '-')", "removeprefix(%s)", "removesuffix(%s)", "find(%s, 1)",
               "count(%s, 1, 4)", "format(%s)", "format(%s, %s)", "format_map(d)"]
DICT_METHODS = ["keys()", "values()", "items()", "get(%s)", "get(%s, %s)", "copy()"]
LIST_METHODS = ["index(%s)", "count(%s)", "copy()"]
NUM_ATTRS = ["bit_length()", "is_integer()", "real", "imag", "numerator", "denominator", "conjugate()", "as_integer_ratio()"]
if sys.version_info < (3, 12):
    NUM_ATTRS.remove("is_integer()")  # an int has it since then
FORMATS = ["%s", "%r", "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%x", "%#x", "%X", "%o", "%#o", "%e", "%.3e", "%f", "%.2f",
           "%8.3f", "%g", "%G", "%.3g", "%c", "%%", "%5s", "%-5s|", "%.2s", "%a", "%i", "%u", "%(a)s", "%(x)d", "%.10g", "%#.3g",
           "%*d", "%.*f", "%5", "%y", "%+.1f", "%010.3f", "%E", "%F"]
BRACES = ["{}", "{0}", "{:>8}", "{:<8}|", "{:^9}", "{:*^9}", "{:08.3f}", "{:,}", "{:_}", "{:+d}", "{:d}", "{:x}", "{:#x}",
          "{:b}", "{:#o}", "{:e}", "{:.3e}", "{:g}", "{:.3g}", "{:f}", "{:.1f}", "{:%}", "{:.1%}", "{:s}", "{:.2}", "{:5.1}",
          "{!r}", "{!s:>6}", "{!a}", "{0[0]}", "{0[a]}", "{:{}}", "{{}}", "{a}", "{:c}", "{:n}", "{:010,}", "{:=+8}", "{:X}",
          "{:.0f}", "{:#.3g}", "{:,.2f}", "{: d}", "{:012_b}", "{:G}", "{:E}"]


class Generator:
    """Makes templates and the contexts they run in."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.locals = []

    # -- contexts ----------------------------------------------------------
    def json_value(self, depth=2):
        r = self.r
        k = r.random()
        if depth <= 0 or k < 0.55:
            return r.choice([None, True, False, r.choice(INTS), r.choice(FLOATS), r.choice(WORDS), r.choice(WORDS)])
        if k < 0.8:
            return [self.json_value(depth - 1) for _ in range(r.randint(0, 4))]
        return {r.choice(ATTRS + WORDS[:6]): self.json_value(depth - 1) for _ in range(r.randint(0, 4))}

    def context(self):
        r = self.r
        c = {"a": self.json_value(), "b": self.json_value(1), "c": self.json_value(1), "n": r.choice(INTS), "f": r.choice(FLOATS),
             "s": r.choice(WORDS), "t": r.choice(WORDS),
             "xs": r.choice([lambda: [r.choice(INTS[:12]) for _ in range(r.randint(0, 6))],
                             lambda: [r.choice(WORDS) for _ in range(r.randint(0, 5))],
                             lambda: [self.json_value(1) for _ in range(r.randint(0, 4))]])(),
             "ys": [r.choice(WORDS) for _ in range(r.randint(1, 4))],
             "d": {r.choice(ATTRS): self.json_value(1) for _ in range(r.randint(0, 4))},
             "rows": [{"a": r.choice(INTS[:9]), "name": r.choice(WORDS), "b": self.json_value(0),
                       "x": {"id": r.randint(0, 3)}} for _ in range(r.randint(0, 4))],
             "nested": {"a": {"b": [{"x": self.json_value(1)}]}, "items": self.json_value(1)}}
        return sort_keys(c)

    # -- expressions -------------------------------------------------------
    def name(self):
        return self.r.choice(NAMES + self.locals * 2)

    def string(self):
        w = self.r.choice(WORDS)
        return quote(w, self.r)

    def number(self):
        r = self.r
        return r.choice([str(abs(r.choice(INTS))), repr(abs(r.choice(FLOATS))), "0x1F", "0b101", "0o17", "1_000", "2.5e3", "1"])

    def literal(self):
        r = self.r
        return r.choice([self.string, self.string, self.number, lambda: r.choice(["true", "false", "none", "True", "None"])])()

    def small(self):
        return self.r.choice(["0", "1", "2", "3", "-1", "5", "10", "none", "true", "2.0", "'1'"])

    def expr(self, depth=3):
        r = self.r
        if depth <= 0:
            return r.choice([self.name, self.name, self.literal])()
        e = lambda: self.expr(depth - 1 - r.randint(0, 1))
        k = r.randrange(22)
        if k < 3:
            return self.name()
        if k == 3:
            return self.literal()
        if k == 4:
            return "(%s %s %s)" % (e(), r.choice(["+", "-", "*", "/", "//", "%", "~", "+", "*", "~"]), e())
        if k == 5:
            return "%s %s %s" % (e(), r.choice(["+", "-", "*", "/", "//", "%", "~", "and", "or"]), e())
        if k == 6:
            return "%s %s %s" % (e(), r.choice(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), e())
        if k == 7:
            return "(%s if %s%s)" % (e(), e(), r.choice(["", " else " + e()]))
        if k == 8:
            return "%s %s" % (r.choice(["not", "-", "+"]), e())
        if k == 9:
            return "%s.%s" % (r.choice([self.name(), "(%s)" % e()]), r.choice(ATTRS))
        if k == 10:
            return "%s[%s]" % (r.choice([self.name(), "(%s)" % e()]), r.choice([self.small(), e(), self.string()]))
        if k == 11:
            part = lambda: r.choice(["", "", self.small(), str(r.randint(-4, 4))])
            return "%s[%s:%s%s]" % (r.choice([self.name(), self.string(), "(%s)" % e()]), part(), part(),
                                    r.choice(["", "", ":" + part()]))
        if k == 12:
            return "[%s]" % ", ".join(e() for _ in range(r.randint(0, 3)))
        if k == 13:
            return r.choice(["(%s,)" % e(), "(%s, %s)" % (e(), e()), "()"])
        if k == 14:
            return "{%s}" % ", ".join("%s: %s" % (r.choice([self.string(), self.literal()]), e()) for _ in range(r.randint(0, 3)))
        if k in (15, 16, 17):
            return "%s|%s" % (r.choice([self.name(), "(%s)" % e(), e()]), self.filter(depth - 1))
        if k == 18:
            return "%s is %s%s" % (r.choice([self.name(), "(%s)" % e()]), r.choice(["", "not "]), self.test(depth - 1))
        if k == 19:
            return self.method(depth - 1)
        if k == 20:
            return self.format()
        return r.choice([
            lambda: "range(%s)" % r.choice(["3", "n if n is integer and n < 20 else 2", "1, 8, 3", "5, 0, -2", self.small()]),
            lambda: "dict(%s)" % r.choice(["a=1", "d", "[('x', 2)]", "d, b=%s" % e(), e()]),
            lambda: "%s ** %s" % (self.small(), self.small()),
            lambda: "(%s,%s)" % (self.name(), self.name())])()

    def test(self, depth):
        r = self.r
        if r.random() < 0.6:
            return r.choice(TESTS0)
        t = r.choice(TESTS1)
        if t == "sameas":
            return "sameas(%s)" % r.choice(["true", "false", "none"])
        if t == "==":
            t = "eq"
        return "%s%s" % (t, r.choice(["(%s)" % self.expr(depth), " " + self.r.choice([self.name(), self.literal()])]))

    def filter(self, depth):
        r = self.r
        e = lambda: self.expr(depth)
        attr = lambda: quote(r.choice(["a", "name", "x.id", "b", "0", "nope", "a,name"]), r)
        k = r.random()
        if k < 0.35:
            return self.plain_filter()
        return r.choice([
            lambda: "attr(%s)" % quote(r.choice(ATTRS), r),
            lambda: "batch(%s%s)" % (self.small(), r.choice(["", ", " + e()])) + "|list",
            lambda: "slice(%s%s)" % (self.small(), r.choice(["", ", " + e()])) + "|list",
            lambda: "center(%s)" % self.small(),
            lambda: "default(%s%s)" % (e(), r.choice(["", ", true"])),
            lambda: "dictsort(%s)" % r.choice(["true", "false, 'value'", "reverse=true", "by='value'"]),
            lambda: "filesizeformat(%s)" % r.choice(["true", "false"]),
            lambda: "float(%s)" % e(),
            lambda: "format(%s)" % e(),
            lambda: "groupby(%s%s)" % (attr(), r.choice(["", ", default=0", ", case_sensitive=true"])),
            lambda: "indent(%s)" % r.choice(["2", "'> '", "4, true", "first=true, blank=true", "blank=true"]),
            lambda: "int(%s)" % r.choice(["0", "-1", "0, 16", "0, 2", "0, 0", "base=8", e()]),
            lambda: "join(%s)" % r.choice([self.string(), "', ', attribute=%s" % attr(), "attribute='a'", e()]),
            lambda: "map(%s)|list" % r.choice(["attribute=" + attr(), "attribute=%s, default=%s" % (attr(), self.literal()),
                                               quote(r.choice(FILTERS0), r), "'default', 1", "'replace', 'a', 'b'", "'round', 1"]),
            lambda: "%s(%s)" % (r.choice(["max", "min"]), r.choice(["attribute=" + attr(), "true", "case_sensitive=true"])),
            lambda: "%s(%s)|list" % (r.choice(["select", "reject"]),
                                     r.choice([quote(r.choice(TESTS0), r), "%s, %s" % (quote(r.choice(TESTS1), r), e())])),
            lambda: "%s(%s)|list" % (r.choice(["selectattr", "rejectattr"]),
                                     r.choice([attr(), "%s, %s" % (attr(), quote(r.choice(TESTS0), r)),
                                               "%s, %s, %s" % (attr(), quote(r.choice(TESTS1), r), e())])),
            lambda: "replace(%s, %s%s)" % (self.string(), self.string(), r.choice(["", ", 1", ", 2"])),
            lambda: "reverse" + r.choice(["", "|list"]),
            lambda: "round(%s%s)" % (r.choice(["0", "1", "2", "-1", "-2"]), r.choice(["", ", 'ceil'", ", 'floor'"])),
            lambda: "sort(%s)" % r.choice(["true", "attribute=" + attr(), "reverse=true, attribute=" + attr(), "case_sensitive=true"]),
            lambda: "sum(%s)" % r.choice(["attribute=" + attr(), "start=%s" % self.literal(), "attribute='a', start=1.5"]),
            lambda: "trim(%s)" % self.string(),
            lambda: "truncate(%s)" % r.choice(["5", "8, true", "6, false, '..'", "10, true, '', 0", "3", "9, leeway=0"]),
            lambda: "unique(%s)|list" % r.choice(["", "true", "attribute=" + attr()]),
            lambda: "urlize(%s)" % r.choice(["10", "nofollow=true", "target='_blank'", "rel='x y'"]),
            lambda: "wordwrap(%s)" % r.choice(["5", "8, false", "10, true, '|'", "7, break_on_hyphens=false", "3"]),
            lambda: "xmlattr(false)",
            lambda: "tojson(%s)" % r.choice(["2", "indent=1", "none", "0"]),
            lambda: "items|list",
            lambda: "%s|%s" % (self.plain_filter(), self.plain_filter())])()

    def plain_filter(self):
        """A filter without arguments; generators have no text that could be compared."""
        f = self.r.choice(FILTERS0)
        return f + "|list" if f in ("items", "unique", "select", "reject", "reverse") else f

    def fill(self, pattern):
        while "%s" in pattern:
            pattern = pattern.replace("%s", self.r.choice([self.string(), self.string(), self.name(), self.literal()]).replace("%s", "%d"), 1)
        return pattern

    def method(self, depth):
        r = self.r
        k = r.random()
        target = r.choice([self.name(), "(%s)" % self.expr(depth)])
        if k < 0.65:
            return "%s.%s" % (r.choice(["s", "t", self.string(), target]), self.fill(r.choice(STR_METHODS)))
        if k < 0.8:
            return "%s.%s" % (r.choice(["d", "nested", target]), self.fill(r.choice(DICT_METHODS)))
        if k < 0.9:
            return "%s.%s" % (r.choice(["xs", "ys", target]), self.fill(r.choice(LIST_METHODS)))
        return "%s.%s" % (r.choice(["n", "f", target]), r.choice(NUM_ATTRS))

    def format(self):
        r = self.r
        if r.random() < 0.5:
            f = r.choice(["", "x "]) + r.choice(FORMATS) + r.choice(["", "|" + r.choice(FORMATS)])
            a = r.choice(["%s", "(%s,)", "(%s, %s)", "d", "%s"])
            return "(%s %% %s)" % (quote(f, r), self.fill(a))
        f = r.choice(BRACES) + r.choice(["", "", r.choice(BRACES)])
        return "%s.format(%s)" % (quote(f, r), self.fill(r.choice(["%s", "%s, %s", "%s, a=%s", "n", "f", "s", "n, f"])))

    # -- statements --------------------------------------------------------
    def text(self):
        return self.r.choice(["", " ", "\n", "x", " y ", "<p>", "\n  ", "{", "}", "}}", "%}", "a\r\nb", "\t", "# "])

    def tag(self, inner):
        r = self.r
        return "{%%%s %s %s%%}" % (r.choice(["", "", "", "-", "+"]), inner, r.choice(["", "", "", "-", "+"]))

    def tame(self):
        """An expression that rarely fails: statements want to be reached."""
        r = self.r
        if r.random() < 0.12:
            return self.expr(1)
        n = self.name()
        return r.choice([n, n, self.literal(), "%s|string" % n, "%s|default(%s)" % (self.r.choice(NAMES), self.literal()), "%s ~ %s" % (n, self.literal()),
                         "%s == %s" % (n, self.name()), "%s is %s" % (n, r.choice(["defined", "string", "mapping", "none"])), "not %s" % n,
                         "(%s or %s)" % (n, self.name()), "s|upper", "xs|length", "ys|join(',')", "d.a", "nested.a", "s[1:]", "[a, b]", "n + 1"])

    def print(self, depth=2):
        r = self.r
        return "{{%s %s %s}}" % (r.choice(["", "", "-"]), self.expr(depth) if depth > 2 else self.tame(), r.choice(["", "", "-"]))

    def body(self, depth):
        return "".join(self.text() + self.statement(depth) for _ in range(self.r.randint(1, 3))) + self.text()

    def scoped(self, names, depth):
        self.locals.extend(names)
        out = self.body(depth)
        del self.locals[len(self.locals) - len(names):]
        return out

    def statement(self, depth=2):
        r = self.r
        if depth <= 0:
            return self.print(1)
        k = r.randrange(16)
        e = self.tame
        if k < 4:
            return self.print()
        if k < 6:
            return self.tag("if " + e()) + self.body(depth - 1) + r.choice(["", self.tag("elif " + e()) + self.body(depth - 1)]) + \
                r.choice(["", self.tag("else") + self.body(depth - 1)]) + self.tag("endif")
        if k < 9:
            return self.loop(depth)
        if k == 9:
            v = r.choice(["u", "v", "a", "s"])
            out = self.tag("set %s = %s" % (v, r.choice([e(), e() + ", " + e()])))
            self.locals.append(v)
            return out + "{{ %s }}" % v
        if k == 10:
            f = r.choice(["", "|upper", "|replace('x', 'y')|title", "|trim"])
            return self.tag("set w" + f) + self.body(depth - 1) + self.tag("endset") + "{{ w }}"
        if k == 11:
            return self.tag("with u = %s, v = %s" % (e(), e())) + self.scoped(["u", "v"], depth - 1) + self.tag("endwith")
        if k == 12:
            return self.tag("filter " + r.choice(["upper", "title", "trim", "indent", "e", "replace('a', 'b')|lower", "truncate(9)", self.filter(0)])) + self.body(depth - 1) + self.tag("endfilter")
        if k == 13:
            return self.macro(depth)
        if k == 14:
            return self.special(depth)
        return self.tag("print " + e()) if r.random() < 0.3 else self.print()

    def special(self, depth):
        r = self.r
        return r.choice([
            lambda: "{# comment " + self.text() + r.choice(["#}", "-#}", "+#}"]),
            lambda: "{%" + r.choice(["", "-", "+"]) + " raw " + r.choice(["", "-"]) + "%}{{ x }}{% y %}" + self.text() + self.tag("endraw"),
            lambda: "{% set ns = namespace(k=0) %}{% for q in xs %}{% set ns.k = ns.k + 1 %}{% endfor %}{{ ns.k }}{{ ns.zz }}",
            lambda: "{% set cy = cycler('o', 'e') %}{% for q in xs %}{{ cy.next() }}{{ cy.current }}{% endfor %}",
            lambda: "{% set jo = joiner('|') %}{% for q in ys %}{{ jo() }}{{ q }}{% endfor %}",
            lambda: self.tag("autoescape " + r.choice(["true", "false"])) + self.body(depth - 1) + self.tag("endautoescape")])()

    def loop(self, depth):
        r = self.r
        target, names, it = r.choice([
            ("x", ["x"], "xs"), ("x", ["x"], "rows"), ("k, v", ["k", "v"], "d.items()"), ("x", ["x"], "range(3)"),
            ("y", ["y"], "ys"), ("k, v", ["k", "v"], "d|dictsort"), ("x", ["x"], "xs|map('string')"), ("x", ["x"], r.choice(["a", "nested", self.expr(1)])),
            ("(x, y)", ["x", "y"], "[(1, 2), (3, 4)]"), ("g", ["g", "g.grouper", "g.list"], "rows|groupby('a')"), ("c", ["c"], "s")])
        cond = r.choice(["", "", "", " if " + r.choice(["x", "loop", names[0] + " is string", self.tame()])])
        attrs = ["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.revindex0",
                 "loop.previtem", "loop.nextitem", "loop.depth", "loop.cycle('p', 'q')", "loop.changed(%s)" % names[0], "loop.nope"]
        recursive = ""
        if r.random() < 0.1:
            return "{% for x in [[1, [2]], [3]] recursive %}<{{ loop.depth0 }}{% if x is number %}{{ x }}{% else %}{{ loop(x) }}{% endif %}>{% endfor %}"
        return self.tag("for %s in %s%s%s" % (target, it, cond, recursive)) + \
            self.scoped(names + r.sample(attrs, 2), depth - 1) + \
            r.choice(["", self.tag("else") + self.body(depth - 1)]) + self.tag("endfor")

    def macro(self, depth):
        r = self.r
        args = r.choice(["", "p", "p, q=1", "p=s, q=p", "q='z'"])
        names = [x for x in ("p", "q") if x in args]
        body = self.scoped(names + r.choice([[], ["varargs"], ["kwargs"], ["caller()"], ["caller"]]), depth - 1)
        out = self.tag("macro m(%s)" % args) + body + self.tag("endmacro")
        call = "m(%s)" % r.choice(["", "1", "a, b", "1, 2, 3", "q=5", "p=1, q=2", "*xs", "1, zz=3", "**d"])
        return out + r.choice(["{{ %s }}" % call, self.tag("call" + r.choice(["", "(z)"]) + " " + call) + "[{{ z }}]" + self.tag("endcall")])

    def template(self):
        self.locals = []
        return self.body(2)


def quote(w, r):
    """A string literal of the template language."""
    q = r.choice("'\"")
    out = w.replace("\\", "\\\\").replace(q, "\\" + q)
    if r.random() < 0.5:
        out = out.replace("\n", "\\n").replace("\t", "\\t")
    return q + out + q


def sort_keys(v):
    """Objects in the order in which jsonb keeps them."""
    if isinstance(v, dict):
        return {k: sort_keys(v[k]) for k in sorted(v, key=lambda k: (len(k.encode()), k.encode()))}
    if isinstance(v, list):
        return [sort_keys(x) for x in v]
    return v


def mutate(text, other, r):
    """Damages a template: what is wrong must be wrong for both."""
    for _ in range(r.randint(1, 3)):
        i = r.randrange(len(text) + 1)
        j = min(len(text), i + r.randint(0, 6))
        k = r.randrange(5)
        if k == 0:
            text = text[:i] + text[j:]
        elif k == 1:
            text = text[:i] + r.choice(["{{", "}}", "{%", "%}", "{#", "#}", "-", "'", '"', "(", ")", "[", "]", "|", ".", ",", " ", "\n", "if",
                                        "else", "is", "not", "in", "~", "**", "=", "==", "endif", "endfor", "recursive", "\\", "1", "x", "_", "é"]) + text[i:]
        elif k == 2:
            p = r.randrange(len(other) + 1)
            text = text[:i] + other[p:p + r.randint(1, 12)] + text[j:]
        elif k == 3:
            text = text[:j] + text[i:]
        else:
            text = text[:i] + text[i:j][::-1] + text[j:]
    return text
