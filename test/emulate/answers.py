"""What a worker could have answered.

The templates of a playbook say what they expect of a step: from
"{{ fetch.rows[0].name }}" follows that the value of fetch has rows, a list of
maps with a name.  Answers are made to fit, with values that fit the names.
"""
import re

PATH = re.compile(r"""\b([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*|\.\d+|\[\s*(?:'[^']*'|"[^"]*"|-?\d+)\s*\])+)(\()?""")
PART = re.compile(r"""\.(\w+)|\[\s*(?:'([^']*)'|"([^"]*)"|(-?\d+))\s*\]""")
GET = re.compile(r"""\.get\(\s*(?:'([^']*)'|"([^"]*)")""")
OWN = {"result", "this", "response"}
WRAPPERS = {"data", "result"}
LISTS = ("rows", "items", "results", "records", "values", "list", "users", "cities", "entries", "files", "choices")


def strings(node, skip=("desc", "description")):
    """Every string below a node, except program text."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for child in node:
            yield from strings(child)
    elif isinstance(node, dict):
        for key, child in node.items():
            if key not in skip and not str(key).startswith("code"):
                yield from strings(child)


def paths(text):
    """(root, [part, …]) of every dotted name in a text; calls are left off."""
    for match in PATH.finditer(GET.sub(lambda m: "." + (m.group(1) or m.group(2)) + " ", text)):
        parts = [next(p for p in part if p != "") for part in PART.findall(match.group(2)) if any(part)]
        if match.group(3) and parts:
            parts.pop()
        yield match.group(1), parts


def step_name(step):
    return str(step.get("step", step.get("name")))


class Wishes:
    """What a playbook expects of each of its steps."""

    def __init__(self, document):
        self.by_name = {}           # step or task -> paths
        self.loose = set()          # attributes of names that are no steps
        steps = [s for s in document.get("workflow") or document.get("steps") or [] if isinstance(s, dict)]
        self.tasks = {}             # step -> task that it names
        for s in steps:
            tool = s.get("tool") if isinstance(s.get("tool"), dict) else {}
            self.tasks[step_name(s)] = str(s.get("task") or tool.get("task") or s.get("name") or step_name(s))
        for s in steps:
            for text in strings(s):
                self.collect(text, step_name(s))
        for text in strings([document.get("workbook"), document.get("tasks")]):
            self.collect(text, None)

    def collect(self, text, own):
        if "{{" not in text and "{%" not in text and "." not in text:
            return
        for root, parts in paths(text):
            while parts and parts[0] in WRAPPERS:
                parts = parts[1:]
            name = own if root in OWN else root
            if name not in self.tasks and name not in self.tasks.values():
                self.loose.update(p for p in parts if not p.lstrip("-").isdigit())
            elif parts:
                self.by_name.setdefault(name, []).append(parts)

    def value(self, step, rng):
        """Something that has all that is asked of a step."""
        tree = {}
        for parts in self.by_name.get(step, []) + self.by_name.get(self.tasks.get(step, step), []):
            at = tree
            for part in parts:
                at = at.setdefault(part, {})
        return self.grow(tree, step, rng, 0) if tree else self.anything(rng)

    def grow(self, tree, name, rng, depth):
        keys = [k for k in tree if not k.lstrip("-").isdigit()]
        if not tree:
            return self.leaf(name, rng, depth)
        if not keys:                # only indexes: a list
            element = {}
            for child in tree.values():
                element.update(child)
            return [self.grow(element, "element", rng, depth + 1) for _ in range(rng.randint(1, 3))]
        return {k: self.grow(tree[k], k, rng, depth + 1) for k in keys}

    def leaf(self, name, rng, depth):
        word = name.lower()
        if word in LISTS or (word.endswith("s") and not word.endswith(("ss", "us")) and rng.random() < 0.3):
            return [self.element(rng, depth) for _ in range(rng.randint(0, 3))] if depth < 4 else []
        if word == "status_code":
            return rng.choice([200, 200, 200, 201, 404, 503])
        if word == "status":
            return rng.choice(["success", "success", "ok", "error"])
        if word.startswith(("is_", "has_", "should_", "can_", "need")) or word in ("success", "ok", "valid", "found"):
            return rng.random() < 0.6
        if word in ("error", "message", "text", "name", "word", "reason", "url"):
            return rng.choice(["text", "Ünïcode ☂", "it's", ""])
        if len(word) == 1 or any(w in word for w in ("count", "total", "number", "score", "temp", "lat", "lon", "age", "page", "size",
                                   "elapsed", "limit", "id", "sum", "price", "max", "min", "avg")):
            return rng.choice([0, 1, 2, 17, 42.5])
        return rng.choice(["text", "Ünïcode ☂", "", 0, 7, True, False])

    def element(self, rng, depth=3):
        """An item of a list, with the attributes that loops ask for."""
        element = {name: self.leaf(name, rng, max(depth + 1, 3)) for name in sorted(self.loose)[:40]}
        element.update({"id": rng.randint(1, 99), "name": rng.choice(["x", "y", "O'Hara"])})
        return element

    def anything(self, rng):
        return rng.choice([{}, {"value": 1}, [1, 2], "done", 3, True, None, {"rows": []}])

    def answer(self, step, kind, rng, odd):
        """A result, wrapped as workers of that kind wrap it; odd: by a worker that does not care."""
        if odd:
            return rng.choice([None, "plain", 7, [], {}, {"status": None, "data": None}, [{"a": [[]]}], True,
                               {"status": "success", "data": {"status": "ok", "data": []}}])
        value = self.value(step, rng)
        if kind == "http":
            body = {"status_code": rng.choice([200, 200, 200, 500]), "headers": {"content-type": "application/json"},
                    "url": "http://example.invalid/", "elapsed": 0.1, "data": value}
            if isinstance(value, dict) and rng.random() < 0.5:
                body = {**body, **value}
            return {"status": "success", "data": body}
        if kind in ("postgres", "duckdb", "snowflake"):
            rows = [self.element(rng) for _ in range(rng.randint(0, 2))]
            statement = {"status": "success", "rows": rows, "row_count": len(rows),
                         "columns": sorted(rows[0]) if rows else [], "message": "SELECT"}
            data = {"command_0": statement}
            return {"status": "success", "data": {**data, **value} if isinstance(value, dict) else data}
        return value if rng.random() < 0.5 else {"status": "success", "data": value}
