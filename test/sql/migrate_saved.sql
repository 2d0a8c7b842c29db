-- A step has done its work, a worker's save of it fails, and the step is held; the version that
-- the execution goes on with saves otherwise, or not at all.  What is done is not done again.
SET client_min_messages = error;
CREATE ROLE regress_migrate;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_migrate;
CREATE TABLE migrate_saved (what text, value jsonb);
GRANT INSERT, SELECT ON migrate_saved TO regress_migrate;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept_save/child
workflow:
- {step: only, type: python, code: x}
$$) > 0 AS registered;

-- Version 1 saves nothing, 2 and 3 in the database, where 3 cannot, and 4 has a worker save.
CREATE FUNCTION saved_versions(name text, step text) RETURNS void LANGUAGE sql AS $$
    SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: kept_save/%s\nworkflow:\n- {step: s, %s%s, on_error: hold, next: then}\n- {step: then, type: sql, statement: SELECT 2 AS n, next: end}\n- {step: end, result: {s: "{{ s }}"}}', name, step, save))
      FROM unnest(ARRAY['',
            ', save: {storage: postgres, table: migrate_saved, data: {what: "' || name || '", value: "{{ result }}"}}',
            ', save: {storage: postgres, table: migrate_saved, data: {nothing: 1}}',
            ', save: {storage: http, url: x, data: {x: "{{ result }}"}}']) AS save
$$;
-- A worker whose saves fail; returns how many tasks there were.
CREATE FUNCTION saved_work(fails boolean DEFAULT true) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
BEGIN
    FOR i IN 0 .. 100 LOOP
        SELECT * INTO task FROM noetl.lease('tester');
        IF NOT FOUND THEN
            RETURN i;
        ELSIF fails AND task.action ->> 'type' = 'save' THEN
            PERFORM noetl.fail(task.queue_id, 'nobody there', 'tester');
        ELSE
            PERFORM noetl.complete(task.queue_id, '{"n": 1}', 'tester');
        END IF;
    END LOOP;
END
$$;
-- Starts version 4 and has its save fail.
CREATE FUNCTION saved_held(name text) RETURNS TABLE (tasks int, state text) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE regress_migrate;
    PERFORM noetl.execute('kept_save/' || name);
    RESET ROLE;
    tasks := saved_work();
    RETURN QUERY SELECT tasks, r.state FROM noetl.run AS r WHERE r.execution_id = newest('kept_save/' || name);
END
$$;
-- Goes on with a version; what became of the step, and whether the log agrees.
CREATE FUNCTION saved_goes_on(name text, version int) RETURNS TABLE (status text, result jsonb, held bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    id bigint := newest('kept_save/' || name);
BEGIN
    PERFORM noetl.migrate(id, saved_goes_on.version, dry_run => false);
    PERFORM noetl.retry(id, 's');
    RETURN QUERY SELECT x.status, x.result, (SELECT count(*) FROM noetl.run AS r WHERE r.execution_id = id AND r.state = 'held'),
        (SELECT count(*) FROM noetl.verify(id)) FROM noetl.execution AS x WHERE x.execution_id = id;
END
$$;
SELECT saved_versions('playbook', 'type: playbook, path: kept_save/child'),
    saved_versions('iterator', 'type: iterator, element: n, mode: distributed, collection: [1, 2], task: {type: python, code: x}'),
    saved_versions('sql', 'type: sql, statement: "SELECT 1 AS n"');

-- Nobody saves any more: the step completes with what it has done.
SELECT name, h.*, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, saved_held(name) AS h, saved_goes_on(name, 1) AS g;
SELECT event, node, note FROM story('kept_save/playbook');
-- The database saves it instead.
SELECT name, h.*, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, saved_held(name) AS h, saved_goes_on(name, 2) AS g;
SELECT * FROM migrate_saved;
-- The database cannot, either: the step is held once more, and the next version ends it.
SELECT name, h.*, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, saved_held(name) AS h, saved_goes_on(name, 3) AS g;
SELECT name, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, saved_goes_on(name, 2) AS g;
SELECT * FROM migrate_saved;
-- A worker saves it at last.
SELECT name, h.*, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, saved_held(name) AS h, saved_goes_on(name, 3) AS g;
SELECT name, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, saved_goes_on(name, 4) AS g;
SELECT saved_work(fails => false);
SELECT x.path, x.status, x.result, v AS wrong FROM noetl.execution AS x LEFT JOIN LATERAL noetl.verify(x.execution_id) AS v ON true
 WHERE x.execution_id IN (newest('kept_save/playbook'), newest('kept_save/iterator'), newest('kept_save/sql')) ORDER BY 1;

-- A save that a worker has already is the only one, whatever the new version does: the step's
-- result stays what it has done.
CREATE FUNCTION saved_leased(name text, version int) RETURNS TABLE (status text, result jsonb, held bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
    id   bigint;
BEGIN
    SET LOCAL ROLE regress_migrate;
    PERFORM noetl.execute('kept_save/' || name);
    RESET ROLE;
    LOOP
        SELECT * INTO task FROM noetl.lease('tester');
        EXIT WHEN task.action ->> 'type' = 'save';
        PERFORM noetl.complete(task.queue_id, '{"n": 1}', 'tester');
    END LOOP;
    id := newest('kept_save/' || name);
    PERFORM noetl.migrate(id, saved_leased.version, dry_run => false);
    PERFORM noetl.complete(task.queue_id, '{"saved": true}', 'tester');
    RETURN QUERY SELECT x.status, x.result, (SELECT count(*) FROM noetl.run AS r WHERE r.execution_id = id AND r.state = 'held'),
        (SELECT count(*) FROM noetl.verify(id)) FROM noetl.execution AS x WHERE x.execution_id = id;
END
$$;
TRUNCATE migrate_saved;
SELECT name, version, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, generate_series(1, 3) AS version, saved_leased(name, version) AS g;
SELECT * FROM migrate_saved;

-- A redrive goes on with a held save just as a retry does, once the execution has been cancelled.
CREATE FUNCTION saved_redriven(name text, version int) RETURNS TABLE (status text, result jsonb, held bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    PERFORM saved_held(name);
    id := newest('kept_save/' || name);
    PERFORM noetl.migrate(id, saved_redriven.version, dry_run => false);
    PERFORM noetl.cancel(id);
    PERFORM noetl.redrive(id);
    RETURN QUERY SELECT x.status, x.result, (SELECT count(*) FROM noetl.run AS r WHERE r.execution_id = id AND r.state = 'held'),
        (SELECT count(*) FROM noetl.verify(id)) FROM noetl.execution AS x WHERE x.execution_id = id;
END
$$;
TRUNCATE migrate_saved;
SELECT name, version, g.* FROM unnest('{playbook,iterator,sql}'::text[]) AS name, generate_series(1, 3) AS version, saved_redriven(name, version) AS g;
SELECT * FROM migrate_saved;
SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path LIKE 'kept_save/%' AND status = 'RUNNING';

-- A task that was enqueued without a save, as the database did it, gets none in a version that
-- leaves it to the worker: a warning says so, unless the step is held and does its work anew.
CREATE FUNCTION saved_told(name text, version int) RETURNS TABLE (tells int, severity text, message text) LANGUAGE sql AS $$
    SELECT version, m.severity, m.message FROM noetl.migrate(newest('kept_save/' || name), version) AS m WHERE m.step = 's'
$$;
SELECT saved_versions('task', 'type: python, code: x'), noetl.execute('kept_save/task', version => 2) > 0 AS started;
SELECT told.* FROM unnest('{1,3,4}'::int[]) AS version, saved_told('task', version) AS told;
SELECT noetl.fail(queue_id, 'nobody there', 'tester') AS failed FROM noetl.lease('tester');
SELECT told.* FROM unnest('{1,3,4}'::int[]) AS version, saved_told('task', version) AS told;
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: kept_save/items
workflow:
- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2], task: {type: python, code: x, save: {storage: %s, table: migrate_saved, data: {what: n}}}, on_error: hold, next: end}
- {step: end}
$$, storage)) > 0 AS registered FROM unnest('{postgres,duckdb}'::text[]) AS storage;
SELECT noetl.execute('kept_save/items', version => 1) > 0 AS started;
SELECT * FROM saved_told('items', 2);
SELECT count(noetl.fail(queue_id, 'nobody there', 'tester')) AS failed FROM noetl.lease('tester', 2);
SELECT * FROM saved_told('items', 2);
SELECT noetl.cancel(execution_id) FROM noetl.execution WHERE path IN ('kept_save/task', 'kept_save/items') AND status = 'RUNNING';
DROP TABLE migrate_saved;
DROP FUNCTION saved_versions, saved_work, saved_held, saved_goes_on, saved_leased, saved_redriven, saved_told;
DROP OWNED BY regress_migrate;
DROP ROLE regress_migrate;
