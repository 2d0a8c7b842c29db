"""A psql that is spoken to line by line."""
import json
import os
import subprocess


class Mismatch(Exception):
    """What was found is not what should have been."""


class Session:
    def __init__(self, options, aloud=False, database=None):
        """options: settings of the session, {name: value}; database: a connection string, else the environment's"""
        self.aloud = aloud
        settings = {"client_min_messages": "error", "lock_timeout": "20s", "statement_timeout": "60s", **options}
        self.process = subprocess.Popen(
            ["psql", "-XqAt", *(["-d", database] if database else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1, encoding="utf-8",
            env={**os.environ, "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in settings.items())})

    def send(self, sql):
        if self.aloud:
            print("#  ", sql.replace("\n", " "))
        self.process.stdin.write(sql + ";\n\\echo ~~~\n")
        self.process.stdin.flush()

    def receive(self):
        lines = []
        while True:
            line = self.process.stdout.readline()
            if line == "":
                raise Mismatch("the connection was lost: " + " ".join(lines))
            if line == "~~~\n":
                if self.aloud and lines:
                    print("#     ", *lines)
                return lines
            lines.append(line.rstrip("\n"))

    def run(self, sql):
        """The lines of the answer; an error is a mismatch."""
        self.send(sql)
        return self.checked(self.receive(), sql)

    @staticmethod
    def checked(lines, sql):
        for line in lines:
            if "ERROR:" in line or "FATAL:" in line:
                raise Mismatch(f"{line} in: {sql[:300]}")
        return lines

    def value(self, sql):
        lines = self.run(sql)
        return lines[0] if lines else ""


def quote(value):
    """An SQL literal."""
    if value is None:
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'"


def quote_json(value):
    return quote(json.dumps(value)) + "::jsonb"
