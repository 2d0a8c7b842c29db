"""Random playbooks, and what a playbook is made of."""
import json

import joins


class Step:
    def __init__(self, name):
        self.name = name
        self.kind = "action"        # action, router, noop, end
        self.entry = False
        self.next = []              # Entry
        self.exclusive = False
        self.on_error = "fail"      # fail, continue, or a list of Entry
        self.when = self.skip = None
        self.join = None
        self.attempts = 1
        self.delay = 0
        self.priority = 0
        self.max_visits = 0
        self.task = False
        self.arcs = False


class Entry:
    def __init__(self, when=None, is_else=False, then=(), otherwise=()):
        self.when, self.is_else = when, is_else
        self.then, self.otherwise = list(then), list(otherwise)   # (step, data)


class Playbook:
    def __init__(self, path, steps, flags):
        self.path, self.steps, self.flags = path, steps, flags
        def targets(entries):
            return [t for entry in entries for t, _ in entry.then + entry.otherwise]
        graph = joins.Graph([joins.Step(s.name, "end" if s.kind == "end" else "action", targets(s.next),
                                        targets(s.on_error) if isinstance(s.on_error, list) else (), s.join)
                             for s in steps])
        self.reach, self.earlier = graph.reach, graph.earlier
        self.modes = [s.mode for s in graph.steps]
        starts = [i for i, s in enumerate(steps) if s.name == "start"]
        self.entry = starts[0] if starts else 0
        steps[self.entry].entry = True
        ends = [i for i, s in enumerate(steps) if s.name == "end" and not s.next]
        self.end = ends[0] if ends else None
        self.acyclic = not any(i in r for i, r in enumerate(self.reach))

    def index(self, name):
        return next((i for i, s in enumerate(self.steps) if s.name == name), None)

    def text(self, rng):
        workbook, workflow = [], []
        for s in self.steps:
            doc = {"step": s.name}
            if s.kind == "action":
                doc["type"] = "python"
                doc["code"] = "pass"
                if s.task:
                    workbook.append({"name": "task_" + s.name, "type": "python", "code": "pass"})
                    doc = {"step": s.name, "type": "workbook", "task": "task_" + s.name}
            elif s.kind == "noop":
                doc["type"] = "noop"
            elif s.kind == "router" and rng.random() < 0.3:
                doc["type"] = "router"
            if s.kind == "action" and s.attempts > 1:
                doc["retry"] = {"max_attempts": s.attempts, "initial_delay": s.delay, "jitter": False}
            if s.priority:
                doc["priority"] = s.priority
            if s.max_visits:
                doc["max_visits"] = s.max_visits
            if s.join:
                doc["join"] = s.join
            if s.when is not None:
                doc["when"] = condition_text(s.when)
            if s.skip is not None:
                doc["pass"] = condition_text(s.skip)
            if s.next:
                entries = [self.entry_text(e, rng) for e in s.next]
                if s.arcs:
                    doc["next"] = {"spec": {"mode": "exclusive" if s.exclusive else "inclusive"}, "arcs": entries}
                else:
                    doc["next"] = entries[0] if len(entries) == 1 and rng.random() < 0.3 else entries
                    if s.exclusive:
                        doc["next_mode"] = "exclusive"
            if isinstance(s.on_error, list):
                doc["on_error"] = [self.entry_text(e, rng) for e in s.on_error]
            elif s.on_error != "fail":
                doc["on_error"] = s.on_error
            workflow.append(doc)
        doc = {"apiVersion": "noetl.io/v1", "kind": "Playbook", "path": self.path,
               "workload": self.flags, "workflow": workflow}
        if workbook:
            doc["workbook"] = workbook
        return json.dumps(doc)

    def entry_text(self, e, rng):
        def target(t):
            name = self.steps[t[0]].name
            if t[1] is None:
                return name if rng.random() < 0.5 else {"step": name}
            return {"step": name, rng.choice(["data", "args", "with", "input"]): t[1]}
        if e.is_else:
            return {"else": [target(t) for t in e.then]}
        if e.when is None and not e.otherwise and len(e.then) == 1:
            return target(e.then[0])
        doc = {} if e.when is None else {rng.choice(["when", "condition"]): condition_text(e.when)}
        if len(e.then) == 1 and not e.otherwise and rng.random() < 0.5:
            one = target(e.then[0])
            doc.update(one if isinstance(one, dict) else {"step": one})
        else:
            doc["then"] = [target(t) for t in e.then]
        if e.otherwise:
            doc["else"] = [target(t) for t in e.otherwise]
        return doc


def condition_text(c):
    kind, what = c
    return {"const": what, "work": "{{ workload.%s }}" % what, "result": "{{ result.%s }}" % what,
            "raise": "{{ 1 // 0 }}"}[kind]


def random_condition(rng, step, raising):
    roll = rng.random()
    if raising and roll < 0.04:
        return ("raise", None)
    if roll < 0.25:
        return ("const", rng.random() < 0.6)
    if roll < 0.55 or step.kind != "action":
        return ("work", rng.choice(["f1", "f2"]))
    return ("result", rng.choice(["c1", "c2"]))


def random_entries(rng, step, targets, conditional, raising=True):
    entries = []
    for _ in range(rng.choice([1, 1, 2, 2, 3])):
        def pick(most):
            chosen = []
            for _ in range(rng.randint(1, most)):
                data = rng.choice([None, None, {"who": step.name, step.name: rng.randint(0, 9)}])
                chosen.append((rng.choice(targets), data))
            return chosen
        roll = rng.random()
        if roll > conditional:
            entries.append(Entry(then=pick(1)))
        elif roll < conditional * 0.7:
            when = random_condition(rng, step, raising)
            if rng.random() < 0.3:
                entries.append(Entry(when, then=pick(2), otherwise=pick(2)))
            else:
                entries.append(Entry(when, then=pick(2)))
        elif not any(e.is_else for e in entries):
            entries.append(Entry(is_else=True, then=pick(2)))
    return entries


def random_playbook(rng, path, orderly):
    """orderly: whose outcome may not depend on the order of completions."""
    n = rng.randint(1, 8)
    cyclic = not orderly and rng.random() < 0.45
    names = ["s%d" % i for i in range(n)]
    if rng.random() < 0.7:
        names.insert(0, rng.choice(["start"]))
    has_end = rng.random() < 0.8
    if has_end:
        names.append("end")
    steps = [Step(name) for name in names]
    last = len(steps) - 1
    for i, s in enumerate(steps):
        roll = rng.random()
        s.kind = "action" if roll < 0.7 else "router" if roll < 0.92 else "noop"
        if s.name == "start":
            s.kind = rng.choice(["router", "router", "action"])
        plain_end = s.name == "end" and rng.random() < 0.8
        if plain_end:
            s.kind = "end"
        elif s.name == "end":
            s.kind = "action"
        forward = list(range(i + 1, last + 1))
        targets = list(range(last + 1)) if cyclic and rng.random() < 0.3 else forward
        if s.name != "end" and targets and rng.random() < 0.95:
            s.next = random_entries(rng, s, targets, 0.5, not orderly)
            s.exclusive = rng.random() < 0.15
            s.arcs = rng.random() < 0.1
        if s.kind == "router" and not s.next:
            s.kind = "noop"
        if s.kind == "action":
            s.attempts = rng.choice([1, 1, 1, 2, 3])
            s.delay = rng.choice([0, 0, 0, 0.002])
            s.priority = rng.choice([0, 0, 0, 0, 5, -3])
            s.task = rng.random() < 0.1
            roll = rng.random()
            if roll < 0.2 or orderly:
                s.on_error = "continue"
            elif roll < 0.4 and targets and s.name != "end":
                s.on_error = random_entries(rng, s, targets, 0.2)
        if not s.name == "end" or s.kind == "action":
            if rng.random() < 0.1:
                s.when = ("work", rng.choice(["f1", "f2"]))
            if rng.random() < 0.07:
                s.skip = ("work", rng.choice(["f1", "f2"]))
        if not orderly and s.kind != "end" and rng.random() < 0.25:
            s.join = rng.choice(["each", "all", "any"])
        if cyclic and rng.random() < 0.1:
            s.max_visits = rng.randint(1, 3)
    flags = {"f1": rng.random() < 0.5, "f2": rng.random() < 0.5}
    return Playbook(path, steps, flags)
