"""Formats C sources by clang-format: the lines that differ from a commit and the
lines that are too wide, or with --all every line.  "make format" calls it.

clang-format cannot align as pgindent does.  So it decides where lines break and
how they are indented; what is aligned within a line stays as it was written.
"""
import argparse
import os
import re
import subprocess
import sys

import source


def changed_lines(root, base):
    """Returns {name: [(first, last), ...]} of what differs from the commit base,
    nothing outside of a repository."""
    command = ["git", "-C", root, "diff", "-U0", "--no-color", "--no-ext-diff", "--relative",
               "--src-prefix=a/", "--dst-prefix=b/", base, "--", "*.c", "*.h"]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        print("make format: only lines that are too wide: " + run.stderr.strip().split("\n")[0],
              file=sys.stderr)
        return {}
    changed = {}
    for line in run.stdout.split("\n"):
        if line.startswith("+++ b/"):
            name = line[6:].rstrip("\t")
        match = re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line)
        if match and match.group(2) != "0":
            first = int(match.group(1))
            changed.setdefault(name, []).append((first, first + int(match.group(2) or 1) - 1))
    untracked = subprocess.run(["git", "-C", root, "ls-files", "-o", "--exclude-standard", "--",
                                "*.c", "*.h"], stdout=subprocess.PIPE, text=True).stdout
    for name in untracked.splitlines():
        changed.setdefault(name, []).append((1, 10 ** 6))
    return changed


def characters(text):
    """Returns what formatting must not change: all but blanks and the backslashes
    that continue the lines of a macro."""
    return re.sub(r"[\s\\]", "", text)


def keep_blanks(before, after):
    """Returns after, with the blanks between two characters that stand on one line
    in both texts as they are in before.  Returns after as it is when a macro got
    more lines, or fewer."""
    old = re.findall(r"(\s*)(\S)", before)
    new = re.findall(r"(\s*)(\S)", after)
    if [c for _, c in old] != [c for _, c in new]:
        return after
    made = []
    for (was, _), (gap, character) in zip(old, new):
        if gap and was and "\n" not in gap + was:
            gap = was
        made.append(gap + character)
    return "".join(made) + "\n"


# A declaration whose name is aligned: the type, what separates them, the name.
DECLARATION = re.compile(r"^(\t*(?:(?:const|static|struct|unsigned|volatile) )*\w+)(\t[\t ]*|  +)(?=[*\w])", re.M)


def pad_type(match):
    """Returns the type of a declaration widened by dollar signs, so that the name
    is one blank away and stands where it stood."""
    start = source.columns(match.group(1))
    return match.group(1) + "$" * (source.columns(match.group(0)) - start - 1) + " "


def formatted(program, root, name, text, lines):
    """Returns the text with those lines (None: all) formatted."""
    given = DECLARATION.sub(pad_type, text)
    command = [program, "--assume-filename=" + os.path.join(root, name), "--style=file"]
    total = text.count("\n")
    for first, last in lines or []:
        command.append("--lines=%d:%d" % (first, min(last, total)))
    after = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True,
                           text=True).stdout
    after = re.sub(r"^(\t*(?:\w+ )*\w+)\$+(?=\s)", r"\1", after, flags=re.M)
    if characters(after) != characters(text):
        raise SystemExit("make format: " + name + " would be changed in more than its blanks")
    return keep_blanks(text, after)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="clang-format")
    parser.add_argument("--base", default="HEAD")
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    root = source.tree()
    limit = source.width(root)
    changed = {} if arguments.all else changed_lines(root, arguments.base)
    for name, text in source.files(root):
        lines = list(changed.get(name, []))
        lines += [(n, n) for n, line in enumerate(text.split("\n"), 1)
                  if source.is_too_wide(line, limit)]
        if not lines and not arguments.all:
            continue
        after = formatted(arguments.program, root, name, text, None if arguments.all else lines)
        if after != text:
            print(name)
            with open(os.path.join(root, name), "w", encoding="utf-8", newline="") as file:
                file.write(after)


if __name__ == "__main__":
    main()
