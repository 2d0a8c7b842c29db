-- A backend remembers below which queue_id an execution has no task any more.
-- What a transaction saw that was taken back must not count.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: run_mark/chain
workflow:
- step: start
  next: [a, slow]
- step: a
  type: python
  code: x
  next: b
- step: b
  type: python
  code: x
  next: c
- step: c
  type: python
  code: x
- step: slow
  type: python
  code: x
$$) > 0 AS registered;

-- Reports a step without saying which task it was.
CREATE FUNCTION report(step text) RETURNS text LANGUAGE sql AS $$
    INSERT INTO noetl.event (execution_id, event_type, node_name)
    VALUES (newest('run_mark/chain'), 'action_completed', step) RETURNING node_name
$$;
CREATE VIEW tasks AS
    SELECT string_agg(node_name, ' ' ORDER BY node_name) AS tasks
      FROM noetl.queue WHERE execution_id = newest('run_mark/chain');

SELECT noetl.execute('run_mark/chain') > 0 AS started;
BEGIN;
SELECT report('slow'), report('a'), report('b');
SELECT * FROM tasks;
ROLLBACK;
SELECT report('a');
SELECT * FROM tasks;
SELECT * FROM story('run_mark/chain');
SELECT noetl.cancel(newest('run_mark/chain'));

-- The same when only a part of a transaction is taken back.
SELECT noetl.execute('run_mark/chain') > 0 AS started;
BEGIN;
SAVEPOINT before;
SELECT report('slow'), report('a'), report('b');
ROLLBACK TO before;
COMMIT;
SELECT report('a');
SELECT report('slow'), report('b');
SELECT * FROM tasks;
SELECT * FROM story('run_mark/chain');

-- The end.
SELECT report('c');
SELECT status FROM noetl.execution WHERE execution_id = newest('run_mark/chain');
DROP VIEW tasks;
DROP FUNCTION report(text);
