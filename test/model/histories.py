"""Random playbooks of three levels over everything a playbook can be made of."""

RETRY = {"max_attempts": 2, "initial_delay": 0, "jitter": False}


def on_error(rng, handled):
    return rng.choice([{}, {}, {}, {"on_error": "hold"}, {"on_error": "hold"}, {"on_error": "fail"},
                       {"on_error": "continue"} if handled else {}])


def limit(rng, orderly):
    one = {"name": rng.choice(["few", "recover"]), "key": rng.choice(["a", "{{ execution_id }}"]),
           "concurrency": rng.randint(1, 3)}
    if rng.random() < 0.15:
        one = {"name": "pace", "key": "{{ execution_id }}", "rate": {"limit": 200, "per": "second", "burst": 2}}
    if not orderly and rng.random() < 0.2:
        one["on_limit"] = "skip"
    return one


def wait(rng, kind, orderly):
    step = {"type": "wait"}
    if kind == "time":
        step.update(rng.choice([{"for": 0}, {"for": 0.005}, {"for": 0.05}, {"until": "2020-01-01 00:00+00"}]))
        return step
    step["signal"] = rng.choice(["go", "go", ["go", "stop"]])
    if rng.random() < 0.3:
        step["accept"] = "{{ (signal.data.level | default(1)) > 0 }}"
    if rng.random() < 0.3:
        step["key"] = "BASE"
    if not orderly and rng.random() < 0.3:
        step["timeout"] = 0.02
    return step


def task(rng, top, orderly):
    step = {"type": "http", "url": "x", "args": {"n": "{{ workload.n | default(0) }}"}}
    if not orderly and top and rng.random() < 0.2:
        step["args"]["deep"] = "{{ data.missing.deep }}"     # cannot start without an input
    if not orderly and rng.random() < 0.1:
        step["timeout"] = 0.02
    if rng.random() < 0.15:
        step["priority"] = rng.choice([5, -3])
    if rng.random() < 0.1:
        step["fairness"] = {"key": "{{ workload.n | default(0) }}"}
    if not orderly and rng.random() < 0.1:
        step["on_lost"] = "fail"
    if rng.random() < 0.3:
        step["save"] = rng.choice([
            {"storage": "redis", "data": {"x": "{{ result }}"}},
            {"storage": "postgres", "statement": "SELECT public.recover_trouble()"},
            {"storage": "postgres", "table": "public.recover_saved", "data": {"path": "{{ path }}", "value": "{{ result }}"}},
            "event"])
    return step


def iterator(rng, kind, child, orderly):
    if kind == "loop":          # which a worker goes through
        return {"type": "iterator", "element": "e", "collection": list(range(rng.randint(0, 3))),
                "task": {"type": "http", "url": "{{ e }}"}}
    inner = {"items": {"type": "http", "url": "{{ e }}"}, "statements": {"type": "sql", "sql": "SELECT public.recover_trouble() AS n"},
             "children": {"type": "playbook", "path": child, "args": {"n": "{{ e }}"}}}[kind]
    step = {"type": "iterator", "element": "e", "collection": list(range(rng.randint(0, 6))),
            "mode": "distributed" if kind == "items" else rng.choice(["async", "async", "sequential"]),
            "concurrency": rng.randint(1, 4), "task": inner}
    if kind != "statements" and rng.random() < 0.3:
        step["task"]["retry"] = dict(RETRY)
    if rng.random() < 0.1:
        step["where"] = "{{ e != 1 }}"
    return step


def random_step(rng, name, child, top, undone, orderly=False):
    """A step that does something: a task, a child execution or an iterator of either."""
    step = {"step": name}
    if rng.random() < 0.3:
        step["retry"] = dict(RETRY, initial_delay=rng.choice([0, 0, 0.005]))
    kind = rng.choice(["task", "task", "child", "items", "children", "signal", "sql", "loop"] if child else
                      ["task", "task", "items", "signal", "time", "sql", "statements", "loop"])
    if kind in ("task", "child", "items") and rng.random() < 0.2:
        step["limits"] = [limit(rng, orderly)]
    if kind in ("signal", "time"):
        step.update(wait(rng, kind, orderly))
        step.pop("retry", None)
    elif kind == "sql":
        step.update(type="sql", sql="SELECT public.recover_trouble() AS n")
    elif kind == "task":
        step.update(task(rng, top, orderly))
    elif kind == "child":
        step.update(type="playbook", path=child, args={"n": 1})
        if rng.random() < 0.2:
            step["save"] = {"storage": "redis", "data": {"x": "{{ result }}"}}
    else:
        step.update(iterator(rng, kind, child, orderly))
    step.update(rng.choice([{}, {}, {"on_error": "continue"}]) if orderly else on_error(rng, True))
    if undone and rng.random() < 0.5:
        step["compensate"] = {"type": "http", "url": "undo {{ result | tojson }} {{ data.n | default(0) }}"}
        if rng.random() < 0.3:
            step["compensate"]["retry"] = dict(RETRY)
        if child and rng.random() < 0.2:
            step["compensate"] = {"type": "playbook", "path": child}
    return step


def random_playbook(rng, path, child, top, undone, orderly=False):
    """start -> some chains of steps, in parallel -> a join -> end, as a map.  orderly: of
    which neither the runs nor the result depend on the order of completions."""
    width = rng.choice([1, 1, 2, 2, 3])
    steps, heads = [], []
    for i in range(width):
        length = rng.choice([1, 1, 2, 3] if orderly else [1, 1, 2])
        for j in range(length):
            step = random_step(rng, f"s{i}{j}", child, top, undone, orderly)
            step["next"] = f"s{i}{j + 1}" if j + 1 < length else "join"
            if rng.random() < 0.15:
                step["when"] = "{{ workload.n | default(1) != 2 }}"
            elif rng.random() < 0.05:
                step["pass"] = "{{ workload.n | default(1) == 3 }}"
            if j + 1 < length and rng.random() < 0.1:       # a way past the rest of the chain
                step["next"] = [{"when": "{{ (result.ok | default(0)) > 6 }}", "then": ["join"]}, {"else": [step["next"]]}]
                if rng.random() < 0.5:
                    step["next_mode"] = "exclusive"
            steps.append(step)
        heads.append(f"s{i}0")
    join = {"step": "join", "type": "http", "url": "x", "next": "end"} if rng.random() < 0.6 else \
        {"step": "join", "next": "end"}
    mode = rng.choice(["all", "each", "any"]) if rng.random() < 0.3 else None
    if orderly and mode == "any":       # the first arrival is another one in each order
        mode = "all"
    if mode:
        join["join"] = mode
    if "type" in join and mode != "each":
        join["args"] = {"seen": "{{ results }}"}        # of all branches, whichever was the last
    if "type" in join and rng.random() < 0.3 and not (orderly and mode == "each"):      # a cycle, which some of the reports take
        join["next"] = [{"when": "{{ (result.ok | default(9)) < 3 }}", "then": ["s00"]}, {"else": ["end"]}]
    # a child whose result is null has the value of its last step, which is another one in each order
    result = "{{ [s00 | default(none)] }}" if orderly else "{{ s00 }}"
    document = {"apiVersion": "noetl.io/v1", "kind": "Playbook", "path": path,
                "workflow": [{"step": "start", "next": heads}, *steps, join, {"step": "end", "result": result}]}
    if not top and rng.random() < 0.1:
        document["limits"] = [{"name": "runs", "key": "{{ path }}", "concurrency": 2}]
    if rng.random() < 0.1:
        document["priority"] = rng.choice([1, -1])
    return document


def random_documents(rng, base, undone, orderly=False):
    """A playbook, its children and theirs: leaf, middle, base."""
    return [random_playbook(rng, path, child, path == base, undone, orderly)
            for path, child in ((f"{base}/leaf", None), (f"{base}/middle", f"{base}/leaf"), (base, f"{base}/middle"))]
