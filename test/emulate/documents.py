"""What playbooks say of the playbooks that they call, and of how they are run."""

# Stands for a playbook that another calls and that nobody has written
STUB = """apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: stub, path: %s}
workflow:
- {step: start, next: task}
- {step: task, type: python, code: x, data: "{{ workload }}", next: end}
- {step: end, result: "{{ task }}"}
"""


def child_paths(node):
    """Where a document's child playbooks are looked for."""
    if isinstance(node, list):
        for child in node:
            yield from child_paths(child)
    elif isinstance(node, dict):
        tool = node.get("type", node.get("tool"))
        kind = tool.get("kind") if isinstance(tool, dict) else tool
        if str(kind).lower() in ("playbook", "playbooks"):
            own = tool if isinstance(tool, dict) else {}
            for key in ("path", "resource_path", "playbook_path"):
                path = node.get(key, own.get(key))
                if isinstance(path, str) and "{" not in path:
                    yield path
        for child in node.values():
            yield from child_paths(child)


def workloads(document):
    """The sets of parameters that a document says it is run with."""
    metadata = document.get("metadata")
    runs = metadata.get("runs") if isinstance(metadata, dict) else None
    found = [run.get("workload", {}) for run in runs if isinstance(run, dict)] if isinstance(runs, list) else [{}]
    return [workload if isinstance(workload, dict) else {} for workload in found]
