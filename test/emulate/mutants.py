"""Playbooks that somebody has damaged: values swapped, dropped, doubled, of other types."""
import copy

import yaml

ODD = [None, True, False, 0, -1, 3, 1.5, "", " ", "x", "{{ x }}", "{{ workload }}", "{{ 1 / 0 }}", "{{", "{% if %}", [], {}, [None],
       ["{{ a }}"], {"step": "end"}, {"kind": "python"}, {"when": "{{ true }}", "step": "end"}, [[1]], {"": ""}, "0 s", "1e999",
       "continue", "playbook", "iterator", "workbook", "distributed", "async", "end", "start", 10 ** 20]
KEYS = ["type", "tool", "next", "when", "pass", "loop", "save", "sink", "retry", "on_error", "timeout", "join", "data", "args",
        "collection", "element", "task", "path", "mode", "concurrency", "chunk", "limit", "where", "order_by", "version", "content",
        "return_step", "result", "priority", "max_visits", "next_mode", "workbook", "name", "step", "code", "storage"]


def places(node, found=None):
    """Every (container, key) of a document."""
    found = [] if found is None else found
    if isinstance(node, dict):
        for key in node:
            found.append((node, key))
            places(node[key], found)
    elif isinstance(node, list):
        for index in range(len(node)):
            found.append((node, index))
            places(node[index], found)
    return found


def mutant(document, rng):
    """The text of a damaged copy."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        steps = [s for s in document.get("workflow") or document.get("steps") or [] if isinstance(s, dict)] \
            if isinstance(document, dict) and isinstance(document.get("workflow"), list) else []
        spots = places(document)
        if not spots:
            break
        container, key = rng.choice(spots)
        roll = rng.random()
        if roll < 0.25 and steps:
            rng.choice(steps)[rng.choice(KEYS)] = copy.deepcopy(rng.choice(ODD))
        elif roll < 0.45:
            container[key] = copy.deepcopy(rng.choice(ODD))
        elif roll < 0.6:
            del container[key]
        elif roll < 0.8:
            other, where = rng.choice(spots)
            container[key] = copy.deepcopy(other[where])
        elif roll < 0.9 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif isinstance(container, dict):
            container[rng.choice(KEYS)] = container.pop(key)
    return yaml.dump(document, Dumper=Plain, allow_unicode=True, sort_keys=False)


class Plain(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True
