"""Finds the guards of a C source, and writes the source with a switch at each.

A guard is the condition of an "if"; one part of a condition of several ("a" of
"a && b"); or a statement that calls a function that locks, wakes, checks or so.
Removing the condition makes it false after it has been evaluated; removing a part
leaves the others to decide; removing a call leaves it out.
"""
import re

CALLS = re.compile(r"lock|wake|check|refuse|require|forget|release|notify|signal|limit|note", re.I)
NO_CALLS = re.compile(r"^(?:[Uu]nlock|PQ|pthread|LW|Spin|SET_|Background|limit_error|(?!LockRelease)[A-Z].*(?:Release|Free|Exec)|clock|raise_|setrlimit)"
                      r"|unlock|_free$|free\b|INTERRUPTS|^(?:if|while|for|switch|return)$")


def masked(text):
    """The text with the insides of strings, characters and comments blanked."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|/\*.*?\*/',
                  lambda m: re.sub(r"[^\n]", "_", m.group()), text, flags=re.S)


def matching(text, start):
    """The place after the parenthesis that closes the one at start, or None."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i + 1
    return None


def parts(condition):
    """The parts of "a && b" or "a || b", and the operator; one part, or a choice by "?": none."""
    depth = 0
    for c in condition:
        depth += (c == "(") - (c == ")")
        if depth == 0 and c == "?":
            return [], None
    for operator in ("||", "&&"):
        found, depth, last = [], 0, 0
        for i, c in enumerate(condition):
            depth += (c == "(") - (c == ")")
            if depth == 0 and condition[i:i + 2] == operator:
                found.append((last, i))
                last = i + 2
        if found:
            return found + [(last, len(condition))], operator
    return [], None


def functions(text):
    """[(place, name)] of the functions of a source, in order."""
    return [(m.start(), m.group(1)) for m in re.finditer(r"^([A-Za-z_]\w*)\(", text, re.M)]


class Source:
    """The guards of a source: [name], and the text with a switch at each."""

    def __init__(self, text, relative, first):
        """Numbers the guards from first on."""
        self.names = []
        self.relative = relative
        self.text = text
        self.plain = masked(text)
        self.functions = functions(self.plain)
        self.first = first
        self.counts = {}
        edits = []
        for m in re.finditer(r"^\t+(?:else )?if \(|^\t+(?:\(void\) )?([A-Za-z_]\w*)\(", self.plain, re.M):
            start = m.end() - 1
            end = matching(self.plain, start)
            if end is None or re.search(r"^[ \t]*#", self.plain[start:end], re.M):
                continue
            if m.group(1) is None:
                edits.append((start + 1, end - 1, self.condition(start + 1, end - 1)))
            elif (CALLS.search(m.group(1)) and not NO_CALLS.search(m.group(1)) and self.plain[end:end + 1] == ";"
                  and re.search(r"(?:[;{})]|\belse)\s*$|_$", self.plain[:m.start()])):
                start = m.start() + len(m.group()) - len(m.group().lstrip())
                call = text[start:end]
                number = self.number(start, f"{' '.join(call.split())} -> left out")
                edits.append((start, end, f"do {{ if (mutants_guard({number}, 1, 0)) {call}; }} while (0)"))
        self.mutated = self.edit(edits)

    def number(self, place, what):
        """Gives a guard its name and number."""
        function = "?"
        for start, name in self.functions:
            if start > place:
                break
            function = name
        name = f"{self.relative} {function}: {what}"
        self.counts[name] = self.counts.get(name, 0) + 1
        if self.counts[name] > 1:
            name += f" (#{self.counts[name]})"
        self.names.append(name)
        return self.first + len(self.names) - 1

    def condition(self, start, end):
        """The condition between two places with a switch around it and each part."""
        condition = self.text[start:end]
        where = " ".join(condition.split())
        whole = self.number(start, where + " -> 0")
        found, operator = parts(self.plain[start:end])
        written = []
        for first, last in found:
            part = condition[first:last]
            number = self.number(start, f"{where} -> without {' '.join(part.split())}")
            written.append(f" mutants_guard({number}, ({part}) ? 1 : 0, {int(operator == '&&')}) ")
        inner = operator.join(written) if found else condition
        return f"mutants_guard({whole}, ({inner}) ? 1 : 0, 0)"

    def edit(self, edits):
        """The text with [(start, end, replacement)], which do not overlap."""
        result, last = [], 0
        for start, end, replacement in edits:
            if start < last:
                raise ValueError(f"{self.relative}: nested guards at {start}")
            result += [self.text[last:start], replacement]
            last = end
        return "".join(result) + self.text[last:]
