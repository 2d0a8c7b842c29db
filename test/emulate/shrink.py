"""Makes a case that fails smaller, while it fails in the same way.

A case is a play: {"documents": [playbooks as maps], "actions": [[name, seed], ...]}.  Each
action draws from its own seed, so that leaving one out changes no other.
"""
import copy
import re


def sign(problem):
    """What kind of failure it is: its first words without what, which and how many."""
    text = str(problem).split(" in: ")[0].split(": [")[0]
    return re.sub(r"^after [^:]*$", "after", re.sub(r"\d+|'[^']*'", "#", text))[:200]


def fewer(items):
    """The list without a half, a quarter, ... a single one of its items."""
    size = len(items)
    while size > 0:
        size = size // 2 if size > 1 else 0
        for at in range(0, len(items), size or 1) if size else ():
            yield items[:at] + items[at + size:]


def bypassed(workflow, name):
    """The workflow without a step; who led to it leads to where it led."""
    step = next(s for s in workflow if s["step"] == name)
    after = step.get("next", "end")
    if not isinstance(after, str) or after == name:
        after = "end"

    def elsewhere(value):
        if isinstance(value, list):
            return list(dict.fromkeys(elsewhere(v) for v in value)) if all(isinstance(v, str) for v in value) \
                else [elsewhere(v) for v in value]
        if isinstance(value, dict):
            return {k: elsewhere(v) if k in ("then", "else", "step") else v for k, v in value.items()}
        return after if value == name else value
    return [dict(s, next=elsewhere(s["next"])) if "next" in s else s for s in workflow if s is not step]


def smaller_document(document):
    workflow = document["workflow"]
    for s in workflow:
        if s["step"] not in ("start", "end") and len(workflow) > 1:
            yield dict(document, workflow=bypassed(workflow, s["step"]))
    for i, s in enumerate(workflow):
        for key in s:
            if key not in ("step", "type", "next", "path", "sql", "signal", "for", "url", "task", "element", "collection"):
                yield dict(document, workflow=workflow[:i] + [{k: v for k, v in s.items() if k != key}] + workflow[i + 1:])
        if isinstance(s.get("next"), list) and len(s["next"]) > 1:
            for rest in fewer(s["next"]):
                yield dict(document, workflow=workflow[:i] + [dict(s, next=rest)] + workflow[i + 1:])
        if s.get("collection"):
            yield dict(document, workflow=workflow[:i] + [dict(s, collection=s["collection"][:-1])] + workflow[i + 1:])
        if isinstance(s.get("task"), dict) and "retry" in s["task"]:
            task = {k: v for k, v in s["task"].items() if k != "retry"}
            yield dict(document, workflow=workflow[:i] + [dict(s, task=task)] + workflow[i + 1:])
    for key in document:
        if key not in ("apiVersion", "kind", "path", "workflow"):
            yield {k: v for k, v in document.items() if k != key}


def smaller(case):
    for actions in fewer(case["actions"]):
        yield dict(case, actions=actions)
    documents = case["documents"]
    half = len(documents) // 2      # two versions of each playbook
    if documents[half:] != documents[:half]:
        yield dict(case, documents=documents[:half] * 2)
    for i, document in enumerate(documents[:half] if documents[half:] == documents[:half] else documents):
        for less in smaller_document(document):
            both = list(documents)
            both[i] = less
            if documents[half:] == documents[:half]:
                both[half + i] = less
            yield dict(case, documents=both)


def shrink(case, problem, fails, tries=400):
    """The smallest case that was found, and how often it was played.  fails(case) gives the
    failure or None; a case that cannot be played at all fails in another way.  Always the
    first smaller case that fails alike is taken, so the same case gives the same result.
    """
    wanted, played = sign(problem), 0
    progress = True
    while progress:
        progress = False
        for less in smaller(case):
            if played >= tries:
                return case, played
            played += 1
            found = fails(copy.deepcopy(less))
            if found is not None and sign(found) == wanted:
                case, progress = less, True
                break
    return case, played
