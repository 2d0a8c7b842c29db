"""Where random plays follow each other, and what is told of one that fails."""
import json
import time

from session import Mismatch, Session
from shrink import shrink

SETUP = """CREATE TABLE recover_trouble (there boolean);
    CREATE TABLE recover_saved (path text, value jsonb);
    CREATE FUNCTION recover_trouble() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM public.recover_trouble) THEN RAISE 'trouble'; END IF;
        RETURN 1; END $$;
    GRANT ALL ON recover_trouble, recover_saved TO PUBLIC;
    SELECT noetl.create_roles();
    DO $$ BEGIN CREATE ROLE recover_starter;    -- nothing is saved as a superuser
    EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    GRANT noetl_client TO recover_starter;
    CREATE INDEX ON noetl.execution (parent_execution_id);      -- for what the plays themselves ask
    CREATE INDEX ON noetl.event (event_id)"""

TREE = """WITH RECURSIVE tree AS (
    SELECT {root}::bigint AS id
    UNION ALL SELECT x.execution_id FROM tree, noetl.execution AS x WHERE x.parent_execution_id = tree.id)"""


class Stage:
    """A session that plays follow each other in; what a play that failed has left is removed."""

    def __init__(self, play_class, aloud):
        self.play_class, self.aloud, self.count = play_class, aloud, 0
        self.session = Session({}, aloud)
        self.session.run(SETUP)

    def clear(self):
        self.session.process.kill()
        for left in range(60, -1, -1):      # a server that has crashed comes back
            self.session = Session({}, self.aloud)
            try:
                self.session.run("SELECT")
                break
            except Mismatch:
                if left == 0:
                    raise
                time.sleep(1)
        tables = self.session.run("SELECT relname FROM pg_class WHERE relnamespace = 'noetl'::regnamespace AND relname IN"
                                  " ('queue', 'run', 'item', 'pending', 'signal', 'message', 'slot', 'paused', 'pause_rule', 'reaper_failure')")
        self.session.run("BEGIN; UPDATE noetl.execution SET status = 'CANCELLED', ended_at = now(), paused = NULL, deadline = NULL"
                         " WHERE ended_at IS NULL; " + "; ".join(f"DELETE FROM noetl.{t}" for t in tables) + "; COMMIT")

    def play(self, case, play_class=None):
        """Plays it to the end; how many checks there were, and the failure or None."""
        self.count += 1
        self.session.run("RESET noetl.on_error; TRUNCATE recover_trouble; SELECT noetl.unset_limit('runs')")
        one = (play_class or self.play_class)(case, f"recover/{self.count}", self.session)
        try:
            one.play()
            return one.done, None
        except Mismatch as problem:
            self.clear()
            return one.done, problem

    def tell(self, number, case, problem):
        """Prints a play that has failed, and a smaller one that fails alike."""
        print(f"# NOETL_PLAY={number}: {problem}", flush=True)
        less, played = shrink(case, problem, lambda one: self.play(one)[1])
        print(f"# shrunk in {played} plays, from {len(case['actions'])} actions to {len(less['actions'])};"
              " NOETL_PLAY may be what follows:")
        print("#", json.dumps(less), flush=True)

    def play_all(self, numbers, random_case, single=None):
        """Plays what the numbers stand for, or the single one (a number, or a case as JSON),
        until three have failed; returns how many plays, checks and failures there were."""
        plays = checks = failures = 0
        for number in [single] if single else numbers:
            case = json.loads(single) if single and single.startswith("{") else random_case(int(number))
            plays += 1
            done, problem = self.play(case)
            checks += done
            if problem is not None:
                failures += 1
                if single:
                    print(f"# {problem}")
                else:
                    self.tell(number, case, problem)
            if failures >= 3:
                break
        return plays, checks, failures
