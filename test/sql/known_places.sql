-- What a session knows without looking: that nothing is ready, and where rows are.
\set VERBOSITY terse
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: known/line
workflow:
- {step: a, type: python, code: x, next: b}
- {step: b, type: python, code: x, next: c}
- {step: c, type: python, code: x, next: d}
- {step: d, type: python, code: x, next: e}
- {step: e, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
CREATE FUNCTION leased(name text) RETURNS bigint LANGUAGE sql AS
$$ SELECT queue_id FROM noetl.queue WHERE node_name = name AND status = 'leased' $$;
CREATE FUNCTION next_after(name text) RETURNS TABLE (step text, priority integer) LANGUAGE sql AS
$$ SELECT node_name, priority FROM noetl.complete_and_lease(leased(name), '{}', 'known') $$;
SELECT noetl.execute('known/line') AS x \gset
SELECT node_name FROM noetl.lease('known');
-- The first scan finds nothing ready beside the task that the completion makes ready.
SELECT * FROM next_after('a');
-- Another task that comes first is taken although the last scan found none.
SELECT noetl.execute('known/line', '{}', priority => 5) AS y \gset
SELECT * FROM next_after('b');
SELECT node_name, status FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.cancel(:y), noetl.cancel(:x);
-- So is one whose lease was rolled back.
SELECT noetl.execute('known/line') AS x \gset
SELECT node_name FROM noetl.lease('known');
SELECT * FROM next_after('a');
SELECT noetl.execute('known/line', '{}', priority => 5) AS y \gset
BEGIN;
SELECT node_name, priority FROM noetl.lease('known');
ROLLBACK;
SELECT * FROM next_after('b');
SELECT noetl.cancel(:y), noetl.cancel(:x);
-- A row that a statement makes ready is found a second later.
SELECT noetl.execute('known/line') AS x \gset
SELECT node_name FROM noetl.lease('known');
SELECT * FROM next_after('a');
SELECT noetl.execute('known/line', '{}', priority => -5) AS y \gset
UPDATE noetl.queue SET priority = 5 WHERE execution_id = :y;
SELECT pg_sleep(1.2);
SELECT * FROM next_after('b');
SELECT noetl.cancel(:y), noetl.cancel(:x);
-- A task whose row is gone, with its page, is not leased any more.
SELECT noetl.execute('known/line') AS x \gset
SELECT queue_id AS task FROM noetl.lease('known') \gset
DELETE FROM noetl.queue;
VACUUM noetl.queue;
SELECT noetl.complete(:task, '{}', 'known');
SELECT noetl.cancel(:x);
DROP FUNCTION next_after;
DROP FUNCTION leased;
