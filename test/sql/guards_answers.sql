-- What functions answer about executions, playbooks and workers: each story turns red when its
-- guard is missing.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

-- Under REPEATABLE READ a lease does not say who takes what: another session's note would make
-- its transaction fail.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM noetl.lease('answers-rr', types => '{none}');
COMMIT;
SELECT count(*) FROM noetl.runtime WHERE name = 'answers-rr';
SELECT count(*) FROM noetl.lease('answers-rr', types => '{none}');
SELECT count(*) FROM noetl.runtime WHERE name = 'answers-rr';
-- Each worker of a session says who it is, though they take the same types.
SELECT count(*) FROM noetl.lease('answers-1', types => '{none}');
SELECT count(*) FROM noetl.lease('answers-2', types => '{none}');
SELECT name FROM noetl.runtime WHERE name LIKE 'answers-%' ORDER BY 1;

-- A wait without a timeout, for work that is there already; and one for too many types.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/wide
workflow:
- {step: start, next: [a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22]}
- {step: a1, type: wide, code: x}
- {step: a2, type: wide, code: x}
- {step: a3, type: wide, code: x}
- {step: a4, type: wide, code: x}
- {step: a5, type: wide, code: x}
- {step: a6, type: wide, code: x}
- {step: a7, type: wide, code: x}
- {step: a8, type: wide, code: x}
- {step: a9, type: wide, code: x}
- {step: a10, type: wide, code: x}
- {step: a11, type: wide, code: x}
- {step: a12, type: wide, code: x}
- {step: a13, type: wide, code: x}
- {step: a14, type: wide, code: x}
- {step: a15, type: wide, code: x}
- {step: a16, type: wide, code: x}
- {step: a17, type: wide, code: x}
- {step: a18, type: wide, code: x}
- {step: a19, type: wide, code: x}
- {step: a20, type: wide, code: x}
- {step: a21, type: wide, code: x}
- {step: a22, type: wide, code: x}
$$) AS wide \gset
SELECT noetl.execute('answers/wide') AS id \gset
CALL noetl.wait_for_work(NULL, '{wide}');
\set VERBOSITY terse
CALL noetl.wait_for_work('0', string_to_array(repeat('t,', 64) || 't', ','));
\set VERBOSITY default
CALL noetl.wait_for_work('0', string_to_array(repeat('t,', 63) || 't', ','));
-- A page says where its lists end; layers that are wide are broken into rows.
CREATE FUNCTION pg_temp.notes(id bigint) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(m[1], ' | ') FROM regexp_matches(noetl.report(id), '<p class="note">([^<]*)</p>', 'g') m $$;
SELECT pg_temp.notes(:id);
SELECT m[1] AS y, count(*) FROM regexp_matches(noetl.explain('answers/wide', 'svg'), 'transform="translate\(\d+ (\d+)\)', 'g') m GROUP BY 1 ORDER BY 2, 1;
SELECT noetl.skip(:id, 'a1'), noetl.skip(:id, 'a2');
SELECT pg_temp.notes(:id);
SELECT noetl.cancel(:id);
-- An execution of which nothing is decided yet has completed nothing.
SET noetl.broker = off;
SELECT noetl.execute('answers/wide') AS id \gset
RESET noetl.broker;
SELECT line FROM regexp_split_to_table(noetl.explain(:'id'), '\n') line WHERE line ~ '^start';
SELECT noetl.cancel(:id);

-- The errors of items tell which item it was; an execution of more than 1,000 events is cut.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/items
workflow:
- {step: each, type: iterator, mode: distributed, collection: [1, 2], element: x, on_error: continue, task: {type: items, code: x}}
$$) > 0;
SELECT noetl.execute('answers/items') AS id \gset
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', max_tasks => 2, types => '{items}');
SELECT string_agg(m[1], ' ') FROM regexp_matches(noetl.report(:id), '<div class="error"><b>([^<]*)</b>', 'g') m;
SELECT pg_temp.notes(:id);
INSERT INTO noetl.event (execution_id, event_type) SELECT :id, 'note' FROM generate_series(1, 1000);
SELECT pg_temp.notes(:id);
-- So is a timeline of more than 1,000 attempts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/attempts
workflow:
- {step: each, type: iterator, mode: distributed, concurrency: 2000, collection: "{{ range(1001) | list }}", element: x, task: {type: items, code: x}}
$$) > 0;
SELECT noetl.execute('answers/attempts') AS id \gset
SELECT pg_temp.notes(:id);
SELECT noetl.cancel(:id);

-- A task of an execution that is over is given back by its worker only.
SELECT noetl.execute('answers/items') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{items}') \gset
SELECT noetl.cancel(:id);
SELECT noetl.release(:task, 'another');
SELECT status, worker_id FROM noetl.queue WHERE queue_id = :task;
SELECT noetl.release(:task, 'w');
SELECT count(*) FROM noetl.queue WHERE queue_id = :task;

-- A compensation has no place in the picture.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/undone
workflow:
- {step: a, type: undone, code: x, compensate: {type: undone, code: y}, next: b}
- {step: b, type: undone, code: x, next: c}
- {step: c, type: undone, code: x, compensate: {type: undone, code: z}}
$$) > 0;
SELECT noetl.execute('answers/undone') AS id \gset
SELECT step FROM work('{"b": {"fail": "no"}}');
SELECT regexp_replace(line, '[0-9.]+ s\M', '(span)') FROM regexp_split_to_table(noetl.explain(:'id'), '\n') line WHERE line ~ '^[a-c]|->';

-- Two templates whose hashes are the same are two templates.
SELECT hashtext(a) = hashtext(b) AS alike, noetl.render(a, '{}'), noetl.render(b, '{}'), noetl.render(a, '{}') FROM (VALUES ('{{ 125293 }}', '{{ 160539 }}')) v (a, b);

-- Of several visits of a step the one that is held is skipped, and of those the oldest.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/visits
workflow:
- {step: start, next: [a, b, c]}
- {step: a, type: python, code: x, next: {step: many, data: {n: 1}}}
- {step: b, type: python, code: x, next: {step: many, data: {n: 2}}}
- {step: c, type: python, code: x, next: {step: many, data: {n: 3}}}
- {step: many, join: each, type: visits, code: x, on_error: hold, next: end}
$$) > 0;
SELECT noetl.execute('answers/visits') AS id \gset
SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', max_tasks => 3, types => '{python}');
SELECT node, CASE WHEN node = ':many:2' THEN noetl.fail(queue_id, 'no', 'w') ELSE noetl.release(queue_id, 'w') END
  FROM (SELECT queue_id, replace(node_id, :'id', '') AS node FROM noetl.lease('w', max_tasks => 3, types => '{visits}')) task ORDER BY 1;
SELECT noetl.skip(:id, 'many');
SELECT replace(node_id, :'id', '') AS node, event_type FROM noetl.event WHERE execution_id = :id AND node_name = 'many' AND event_type IN ('step_held', 'step_skipped') ORDER BY event_id;
SELECT noetl.skip(:id, 'many');
SELECT replace(node_id, :'id', '') AS node, event_type FROM noetl.event WHERE execution_id = :id AND node_name = 'many' AND event_type IN ('step_held', 'step_skipped') ORDER BY event_id;
SELECT node_id, noetl.fail(queue_id, 'no', 'w') FROM (SELECT queue_id, replace(node_id, :'id', '') AS node_id FROM noetl.lease('w', types => '{visits}')) task;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.cancel(:id);

-- What becomes of a run in another version of its playbook: long names, iterators under another
-- name, compensations that have the name of a step, and steps that have not begun yet.
CREATE FUNCTION pg_temp.version(steps text) RETURNS boolean LANGUAGE sql AS
    $$ SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: answers/moves\nworkflow:\n' || replace(replace(steps, 'LONG', repeat('l', 508)), 'WIDE', repeat('w', 508))) > 0 $$;
SET client_min_messages = error;
SELECT pg_temp.version('- {step: start, next: [LONG, WIDE, each, a.compensate]}
- {step: WIDE, type: python, code: x, next: later}
- {step: LONG, type: python, code: x, next: later}
- {step: each, type: iterator, mode: distributed, collection: [1], element: x, task: {type: python, code: x}, next: later}
- {step: a.compensate, type: python, code: x, next: later}
- {step: later, type: python, code: x}
- {step: apart, type: python, code: x}');
SELECT noetl.execute('answers/moves') AS id \gset
SELECT pg_temp.version('- {step: start, next: [LONGER, WIDE, all, a]}
- {step: WIDE, type: python, code: x, next: LONGER}
- {step: LONGER, type: python, code: x, next: apart}
- {step: all, type: iterator, mode: distributed, collection: [1], element: x, task: {type: python, code: x}, next: [later, apart]}
- {step: a, type: python, code: x, compensate: {type: python, code: x}, next: [later, apart]}
- {step: later, type: python, code: x}
- {step: apart, type: python, code: x}');
SELECT severity, length(step), left(step, 15), length(message), right(message, 80) FROM noetl.migrate(:id, step_map => jsonb_build_object('each', 'all', repeat('l', 508), repeat('l', 508) || 'ER')) ORDER BY 1, 3, 5;
SELECT noetl.cancel(:id);
RESET client_min_messages;

-- The workbook and the conditions of a playbook as they were written.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/written
workflow:
- {step: start, next: [{when: "{{ 1 < 2 }}", then: {step: a, data: {list: ["{{ start }}", {deep: ["{{ job.id }}", 2, c, b, null, a, [3]]}, zzz, yy, x, 5], n: 1, empty: [], none: {}}}}]}
- {step: a, type: python, code: x}
$$) AS written \gset
SELECT t.* FROM noetl.catalog AS c, noetl.playbook_transitions(c.catalog_id, c.digest) AS t WHERE c.catalog_id = :written;

-- Playbooks inside of others: one that is no playbook, in a play and in a log that is checked.
SELECT event_type, step, data -> 'error' FROM noetl.simulate($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/play
workload: {text: "kind: Nothing"}
workflow:
- {step: call, type: playbook, content: "{{ workload.text }}"}
$$) WHERE step = 'call' OR event_type LIKE 'execution%';
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/inline
workflow:
- step: call
  type: playbook
  args: {n: "{{ 1 / 0 }}"}
  content: |
    apiVersion: noetl.io/v1
    kind: Playbook
    path: answers/inside
    workflow:
    - {step: a, type: python, code: x}
$$) > 0;
SELECT noetl.execute('answers/inline') AS id \gset
SELECT event_type, node_name, error FROM noetl.event WHERE execution_id = :id AND error IS NOT NULL ORDER BY event_id;
SELECT count(*) FROM noetl.verify(:id);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: answers/inline
workflow:
- step: call
  type: playbook
  content: |
    apiVersion: noetl.io/v1
    kind: Playbook
    path: answers/inside
    workflow:
    - step: deep
      type: playbook
      content: |
        apiVersion: noetl.io/v1
        kind: Playbook
        path: answers/deep
        workflow:
        - {step: a, type: python, code: x}
$$) > 0;
SET noetl.max_depth = 1;
SELECT noetl.execute('answers/inline') AS id \gset
RESET noetl.max_depth;
SELECT execution_id AS id FROM noetl.execution WHERE parent_execution_id = :id \gset
SELECT event_type, node_name, error FROM noetl.event WHERE execution_id = :id AND error IS NOT NULL ORDER BY event_id;
SELECT * FROM noetl.verify(:id);

-- An execution whose playbook is away cannot go on.
SELECT noetl.execute('answers/undone') AS id, catalog_id AS undone FROM noetl.catalog WHERE path = 'answers/undone' \gset
CREATE TABLE answers_away AS SELECT * FROM noetl.catalog WHERE catalog_id = :undone;
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM noetl.catalog WHERE catalog_id = :undone;
COMMIT;
\c
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
DO $$
BEGIN
    PERFORM noetl.explain(newest('answers/undone')::text);
EXCEPTION WHEN undefined_object THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', '<id>');
END $$;
INSERT INTO noetl.catalog SELECT * FROM answers_away;
DROP TABLE answers_away;
SELECT noetl.explain(newest('answers/undone')::text) ~ 'undone' AS drawn, noetl.cancel(newest('answers/undone')) AS cancelled;

-- The rule of a table that was dropped unnoticed is its maker's still.
CREATE TABLE answers_rule (id int);
SELECT noetl.on_change('answers_rule', 'answers/undone') AS rule \gset
BEGIN;
SET LOCAL session_replication_role = replica;
DROP TABLE answers_rule;
COMMIT;
CREATE ROLE regress_noetl_answers;
GRANT EXECUTE ON FUNCTION noetl.off_change TO regress_noetl_answers;
SET ROLE regress_noetl_answers;
SELECT noetl.off_change(:'rule');
RESET ROLE;
SELECT noetl.off_change(:'rule');
DROP OWNED BY regress_noetl_answers;
DROP ROLE regress_noetl_answers;

-- Rights: who is added to a path that everybody may execute takes that from nobody.
CREATE ROLE regress_noetl_added;
SELECT noetl.grant_execute('answers/written', 'public'), noetl.grant_execute('answers/written', 'regress_noetl_added');
SELECT executors FROM noetl.catalog_path WHERE path = 'answers/written';
SELECT noetl.revoke_execute('answers/written', 'regress_noetl_added'), executors FROM noetl.catalog_path WHERE path = 'answers/written';
DROP ROLE regress_noetl_added;

-- Columns that somebody adds to the catalog belong to what was registered, until they are dropped.
BEGIN;
ALTER TABLE noetl.catalog ADD COLUMN gone text DEFAULT 'x', ADD COLUMN extra text;
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: answers/gone\nworkflow:\n- {step: a, type: python, code: x}') AS gone \gset
ALTER TABLE noetl.catalog DROP COLUMN gone;
WITH seen AS (UPDATE noetl.catalog SET meta = '{"seen": true}' WHERE catalog_id IN (:written, :gone) RETURNING path) SELECT path FROM seen ORDER BY path;
UPDATE noetl.catalog SET extra = 'y' WHERE catalog_id = :written;
ROLLBACK;
-- A trigger that keeps rows out of the catalog is not passed over.
BEGIN;
CREATE FUNCTION pg_temp.keep_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep_out BEFORE INSERT ON noetl.catalog FOR EACH ROW EXECUTE FUNCTION pg_temp.keep_out();
\set VERBOSITY terse
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: answers/kept\nworkflow:\n- {step: a, type: python, code: x}');
\set VERBOSITY default
ROLLBACK;
-- Without its tables the extension says so; rules of changes that are not there are not looked for.
SET client_min_messages = error;
BEGIN;
CREATE TABLE answers_dropped (id int);
ALTER TABLE noetl.change_rule RENAME TO change_rule_away;
DROP TABLE answers_dropped;
ROLLBACK;
BEGIN;
ALTER TABLE noetl.catalog RENAME TO catalog_away;
SELECT noetl.execute('answers/written');
ROLLBACK;
RESET client_min_messages;
