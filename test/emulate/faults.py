"""What is wrong with a playbook, found without the extension.

PyYAML reads the document, Jinja2 the templates; the rules are those that
doc/playbooks.md states.  load() gives a Document; its faults are (line, what) where line
is None when the place is not one line.
"""
import jinja2
import yaml

RESERVED = {"workload", "work", "context", "result", "results", "this", "data", "args", "input", "env",
            "job", "execution_id"}
# Keys of a step that are not compiled
SILENT = {"desc", "description", "step", "name"}
# Keys whose value is a condition: an expression when it has no braces
CONDITIONS = {"when", "condition", "pass", "retry_when", "stop_when"}
OWN_FILTERS = {"b64encode", "b64decode", "from_json", "to_json", "quote_literal", "quote_ident"}
REFUSED_NODES = (jinja2.nodes.Include, jinja2.nodes.Import, jinja2.nodes.FromImport, jinja2.nodes.Extends,
                 jinja2.nodes.Block)


class Document:
    def __init__(self, text):
        self.text = text
        self.faults = []
        self.value = None           # as PyYAML reads it
        self.readable = False       # does it?
        self.duplicates = False


def load(text):
    document = Document(text)
    try:
        document.value = yaml.load(text, Loader=yaml.SafeLoader)
        document.readable = True
    except (yaml.YAMLError, ValueError):
        document.faults.append((None, "YAML"))
        return document
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for line in duplicate_keys(root, []):
        document.duplicates = True
        document.faults.append((line, "duplicate key"))
    if not document.duplicates:
        find_faults(document, root)
    return document


def line_of(node):
    return node.start_mark.line + 1


def duplicate_keys(node, seen):
    """Lines of keys that a mapping has twice; an alias is looked into once."""
    if node is None or any(node is s for s in seen):
        return []
    seen.append(node)
    found = []
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            found += duplicate_keys(child, seen)
    elif isinstance(node, yaml.MappingNode):
        keys = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in keys:
                    found.append(line_of(key))
                keys.add(key.value)
            found += duplicate_keys(value, seen)
    return found


def members(node):
    """{key: node} of a mapping, without what is null."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value
            if isinstance(key, yaml.ScalarNode) and value.tag != "tag:yaml.org,2002:null"}


def text_of(node):
    return node.value if isinstance(node, yaml.ScalarNode) and node.value != "" else None


def find_faults(document, root):
    head = members(root)
    if not isinstance(root, yaml.MappingNode):
        document.faults.append((None, "no mapping"))
        return
    kind = text_of(head.get("kind"))
    if "kind" in head and (kind or "").lower() != "playbook":
        document.faults.append((line_of(head["kind"]), "kind"))
    metadata = members(head.get("metadata"))
    if not any(text_of(m.get(k)) for m in (metadata, head) for k in ("path", "name")):
        document.faults.append((None, "no path"))
    if "workload" in head:
        if not isinstance(head["workload"], yaml.MappingNode):
            document.faults.append((line_of(head["workload"]), "workload"))
        templates(document, head["workload"])
    workflow = head.get("workflow", head.get("steps"))
    if not isinstance(workflow, yaml.SequenceNode) or not workflow.value:
        document.faults.append((None, "no workflow"))
        return
    tasks = workbook(document, head.get("workbook", head.get("tasks")))
    names = set()
    for node in workflow.value:
        keys = members(node)
        where = keys.get("step", keys.get("name"))
        name = text_of(where)
        if name is None:
            document.faults.append((line_of(where or node), "a step without name"))
            continue
        if name in names:
            document.faults.append((line_of(where), "duplicate step"))
        if name in RESERVED:
            document.faults.append((line_of(where), "reserved name"))
        names.add(name)
    for node in workflow.value:
        check_step(document, node, names, tasks)


def workbook(document, node):
    tasks = set()
    if isinstance(node, yaml.MappingNode):
        tasks = set(members(node))
        pairs = members(node).values()
    elif isinstance(node, yaml.SequenceNode):
        pairs = node.value
        for task in pairs:
            keys = members(task)
            tasks.add(text_of(keys.get("name", keys.get("task"))))
    else:
        return tasks
    for task in pairs:
        templates(document, task)
    return tasks


def action_type(keys):
    node = keys.get("type", keys.get("tool"))
    if isinstance(node, yaml.MappingNode):
        node = members(node).get("kind")
    return (text_of(node) or "").strip().lower()


def check_step(document, node, names, tasks):
    keys = members(node)
    for key in ("next", "on_error"):
        word = text_of(keys.get(key))
        if key in keys and not (key == "on_error" and word and word.lower() in ("fail", "continue")):
            check_edges(document, keys[key], names)
    templates(document, node)
    if action_type(keys) == "workbook":
        keys = {**members(keys.get("tool")), **keys}
        task = text_of(keys.get("task")) or text_of(keys.get("name")) or text_of(keys.get("step"))
        if task not in tasks:
            document.faults.append((line_of(keys.get("task", keys.get("name", node))), "unknown task"))
    nested = members(keys.get("task"))
    if nested and action_type(nested) == "workbook":
        task = text_of(nested.get("task")) or text_of(nested.get("name"))
        if task not in tasks:
            document.faults.append((line_of(keys["task"]), "unknown task"))


def check_edges(document, node, names):
    """Everything a "next" may be: see doc/transitions.md."""
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            check_edges(document, child, names)
        return
    keys = members(node)
    if "arcs" in keys:
        check_edges(document, keys["arcs"], names)
    elif "then" in keys or "else" in keys:
        for key in ("then", "else"):
            if key in keys:
                check_edges(document, keys[key], names)
        if "then" not in keys and "step" in keys:
            check_edges(document, keys["step"], names)
    elif isinstance(node, yaml.ScalarNode) or node.value:
        where = keys.get("step", node)
        if text_of(where) not in names:
            document.faults.append((line_of(where), "unknown step"))


def templates(document, node, seen=()):
    """Templates that Jinja2 cannot parse, or that are refused."""
    if any(node is s for s in seen):
        return
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            templates(document, child, seen + (node,))
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value in CONDITIONS and child.tag == "tag:yaml.org,2002:str":
                condition(document, child.value)
            elif key.value not in SILENT and not key.value.startswith("code"):
                templates(document, child, seen + (node,))
    elif node.tag == "tag:yaml.org,2002:str":
        try:
            parsed = jinja2.Environment().parse(node.value)
        except jinja2.TemplateSyntaxError:
            document.faults.append((None, "template"))
            return
        if any(True for kind in REFUSED_NODES for _ in parsed.find_all(kind)):
            document.faults.append((None, "template"))


def condition(document, text):
    """A worker never sees it, so that it must be understood here."""
    environment = jinja2.Environment()
    if not any(tag in text for tag in ("{{", "{%", "{#")) and text.strip():
        text = "{{ " + text + " }}"
    try:
        parsed = environment.parse(text)
    except jinja2.TemplateSyntaxError:
        document.faults.append((None, "condition"))
        return
    known = OWN_FILTERS | set(environment.filters)
    if any(node.name not in known for node in parsed.find_all(jinja2.nodes.Filter)) or \
            any(node.name not in environment.tests for node in parsed.find_all(jinja2.nodes.Test)) or \
            any(True for kind in REFUSED_NODES for _ in parsed.find_all(kind)):
        document.faults.append((None, "condition"))
