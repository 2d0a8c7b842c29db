"""Prints how many lines of every C source below the directory $1 ran, by the
counters beside its objects."""
import collections
import json
import os
import subprocess
import sys


def objects(root):
    """Yields the notes of every object that was compiled with counters."""
    for top, _, names in os.walk(os.path.join(root, "src")):
        for name in sorted(names):
            if name.endswith(".gcno"):
                yield os.path.join(top, name)


def count(root):
    """Returns {source: {line: whether it ran in any object}}."""
    sources = collections.defaultdict(dict)
    notes = list(objects(root))
    if not notes:
        sys.exit("make coverage: nothing was compiled with counters")
    run = subprocess.run(["gcov", "--json-format", "--stdout"] + notes, cwd=root,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        sys.exit("make coverage: gcov failed: " + run.stderr)
    for text in run.stdout.splitlines():
        if not text.startswith("{"):
            continue
        data = json.loads(text)
        for file in data["files"]:
            path = os.path.normpath(os.path.join(data["current_working_directory"], file["file"]))
            name = os.path.relpath(path, root)
            if name.startswith("src" + os.sep):
                for line in file["lines"]:
                    number = line["line_number"]
                    ran = line["count"] > 0
                    sources[name][number] = sources[name].get(number, False) or ran
    return sources


def main():
    sources = count(os.path.realpath(sys.argv[1]))
    width = max(len(name) for name in sources)
    total = reached = 0
    print("%-*s  lines    ran" % (width, "source"))
    for name, lines in sorted(sources.items()):
        ran = sum(lines.values())
        total += len(lines)
        reached += ran
        print("%-*s  %5d  %5d  %5.1f %%" % (width, name, len(lines), ran,
                                            100.0 * ran / len(lines) if lines else 100))
    print("%-*s  %5d  %5d  %5.1f %%" % (width, "total", total, reached, 100.0 * reached / total))
    if not reached:
        sys.exit("make coverage: no process left its counts")


main()
