\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
SET statement_timeout = '30 s';
-- Tasks, items and events that are not the only ones of their kind: each is taken for itself.
CREATE FUNCTION pg_temp.done(type text, result jsonb DEFAULT '1', most int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(noetl.complete(queue_id, result, 'w')) FROM noetl.lease('w', most, types => ARRAY['srow' || type])
$$;
CREATE FUNCTION pg_temp.tasks(which bigint, type text) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(regexp_replace(node_id, '^\d+:', '') || ' ' || status, ', ' ORDER BY node_id) FROM noetl.queue WHERE execution_id = which AND node_type = 'srow' || type
$$;

-- A task that is kept back when its execution fails gives up its slot.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/fails
workflow:
- {step: a, type: srowa, code: x, next: [b, c]}
- {step: b, type: srowb, code: x, limits: {name: srow, concurrency: 5}}
- {step: c, type: srowc, code: x, input: "{{ 1 / 0 }}"}
$$) > 0;
SELECT noetl.execute('srow/fails') AS id \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{srowa}') \gset
SELECT * FROM noetl.complete_and_lease(:task, '1', 'w', types => '{srowx}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT count(*) FROM noetl.slot WHERE name = 'srow';

-- A report about an item that waits for the broker, and names no visit, is about the oldest one
-- that runs when its turn comes.  Beside many tasks an item is no task of a step.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/visits
workflow:
- {step: start, next: [a, b, %1$s]}
- {step: a, type: srowa, code: x, next: each}
- {step: b, type: srowb, code: x, next: each}
%2$s
- {step: each, type: iterator, join: each, collection: [1, 2], element: n, mode: distributed, concurrency: 2, task: {type: srowi, code: x}, next: end}
- {step: end}
$$, (SELECT string_agg('s' || i, ', ') FROM generate_series(1, 20) i), (SELECT string_agg(format('- {step: s%s, type: srows, code: x}', i), E'\n') FROM generate_series(1, 20) i))) > 0;
SELECT noetl.execute('srow/visits') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'a', '1'), (:id, 'action_completed', 'b', '1');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, result) VALUES (:id, 'action_completed', 'each', 1, '7');
RESET noetl.broker;
SELECT noetl.enqueue_next() >= 0;
SELECT pg_temp.tasks(:id, 'i');
SELECT * FROM noetl.verify(:id);
SELECT pg_temp.done('i');
SELECT pg_temp.tasks(:id, 'i');
SELECT pg_temp.done('i'), pg_temp.done('i'), pg_temp.done('s', most => 20);
SELECT event_type, regexp_replace(node_id, '^\d+:?', ''), meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id AND (node_name = 'each' OR event_type LIKE 'execution_%') ORDER BY event_id;
SELECT * FROM noetl.verify(:id);

-- A report that comes before its step has begun, and waits for the broker, gets the parent that
-- it has otherwise.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/early
workflow:
- {step: a, type: srowa, code: x, next: b}
- {step: b, type: srowb, code: x}
$$) > 0;
SELECT noetl.execute('srow/early') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:id, 'action_completed', 'a', '1'), (:id, 'action_completed', 'b', '2');
RESET noetl.broker;
SELECT noetl.enqueue_next() >= 0;
SELECT e.event_type, e.node_name, p.event_type, p.node_name FROM noetl.event e LEFT JOIN noetl.event p ON p.execution_id = e.execution_id AND p.event_id = e.parent_event_id
 WHERE e.execution_id = :id ORDER BY e.created_at;
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- The items of an execution that ends are withdrawn; those that a worker has leased stay until it
-- reports, and are revoked by a cancellation.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/items
workflow:
- {step: start, next: [each, b]}
- {step: each, type: iterator, collection: [1, 2, 3], element: n, mode: distributed, concurrency: 3, task: {type: srowi, code: x}}
- {step: b, type: srowb, code: x}
$$) > 0;
SELECT noetl.execute('srow/items') AS id \gset
SELECT current_index FROM noetl.lease('w', types => '{srowi}');
SELECT noetl.cancel(:id);
SELECT pg_temp.tasks(:id, 'i');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :id;
SELECT pg_temp.tasks(:id, 'i');
SELECT noetl.execute('srow/items') AS id \gset
SELECT current_index FROM noetl.lease('w', types => '{srowi}');
SELECT count(noetl.fail(queue_id, 'no', 'w')) FROM noetl.lease('w', types => '{srowb}');
SELECT pg_temp.tasks(:id, 'i');
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.queue WHERE execution_id = :id;
SELECT pg_temp.tasks(:id, 'i');
SELECT * FROM noetl.verify(:id);

-- Who pauses an execution pauses what its children have ready, at once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/below
workflow:
- {step: k, type: srowk, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/above
workflow:
- {step: call, type: playbook, path: srow/below}
$$) > 0;
SELECT noetl.execute('srow/above') AS id \gset
SELECT noetl.pause(:id);
SELECT q.node_name, q.status, q.paused_by = :id FROM noetl.queue q JOIN noetl.execution x USING (execution_id) WHERE x.parent_execution_id = :id;
SELECT noetl.resume(:id), noetl.enqueue_next() >= 0;
SELECT q.node_name, q.status FROM noetl.queue q JOIN noetl.execution x USING (execution_id) WHERE x.parent_execution_id = :id;
SELECT noetl.cancel(:id);

-- An end that waits for the broker, and whose event is gone, ends nothing.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/one
workflow:
- {step: a, type: srowa, code: x}
$$) > 0;
SELECT noetl.execute('srow/one') AS id \gset
SET noetl.broker = off;
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_failed');
DELETE FROM noetl.event WHERE execution_id = :id AND event_type = 'execution_failed';
INSERT INTO noetl.event (execution_id, event_type) VALUES (:id, 'execution_cancelled');
RESET noetl.broker;
SELECT event_type, meta ->> 'ignored' FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT noetl.enqueue_next() >= 0;
SELECT status FROM noetl.execution WHERE execution_id = :id;

-- The value of a visit whose report has a parent of no node.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/parallel
workflow:
- {step: start, next: [x, y, z]}
- {step: x, type: srowx, code: x, next: t}
- {step: y, type: srowy, code: x, next: t}
- {step: z, type: srowz, code: x, next: last}
- {step: t, type: srowt, code: x, join: each}
- {step: last, type: srowl, code: x, input: "{{ t }}"}
$$) > 0;
SELECT noetl.execute('srow/parallel') AS id \gset
SELECT pg_temp.done('x'), pg_temp.done('y');
INSERT INTO noetl.event (execution_id, event_type, status) VALUES (:id, 'note', 'COMPLETED') RETURNING event_id AS note \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, parent_event_id, result) VALUES (:id, 'action_completed', 't', :note, '5');
INSERT INTO noetl.event (execution_id, event_type, node_name, parent_event_id, result) VALUES (:id, 'action_completed', 't', :note, '6');
SELECT pg_temp.done('z');
SELECT regexp_replace(node_id, '^\d+:', ''), action ->> 'data' FROM noetl.queue WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A signal that was ignored does not come again in a version that waits for it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/signals
workflow:
- {step: a, type: srowa, code: x}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/signals
workflow:
- {step: a, type: srowa, code: x, next: one}
- {step: one, type: wait, signal: go, next: end}
- {step: end, result: "{{ one }}"}
$$) > 0;
SELECT noetl.execute('srow/signals', version => 1) AS id \gset
SELECT noetl.signal(:id, 'go', '1');
ALTER TABLE noetl.event DISABLE TRIGGER USER;
UPDATE noetl.event SET meta = coalesce(meta, '{}') || '{"ignored": "by hand"}' WHERE execution_id = :id AND event_type = 'signal_received';
ALTER TABLE noetl.event ENABLE TRIGGER USER;
SELECT noetl.signal(:id, 'go', '2');
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT count(*) FROM noetl.signal WHERE execution_id = :id;
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{srowa}');
SELECT status, result FROM noetl.execution WHERE execution_id = :id;

-- An iterator at which many branches have arrived goes on in another version, with all of them.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/many
description: version %3$s
workflow:
- {step: start, next: [%1$s]}
%2$s
- {step: j, type: iterator, collection: [1, 2], element: n, mode: distributed, task: {type: srowi, code: x}}
$$, (SELECT string_agg('s' || i, ', ') FROM generate_series(1, 12) i), (SELECT string_agg(format('- {step: s%s, type: srows, code: x, next: j}', i), E'\n') FROM generate_series(1, 12) i), v)) > 0 FROM generate_series(1, 2) v;
SELECT noetl.execute('srow/many', version => 1) AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', 12, types => '{srows}');
SELECT step_name, state, jsonb_array_length(arrivals) FROM noetl.run WHERE execution_id = :id;
SELECT array_agg(number ORDER BY number) FROM noetl.arrival WHERE execution_id = :id;
SELECT count(*) FROM noetl.migrate(:id, 2, dry_run => false) WHERE severity = 'error';
SELECT step_name, state, jsonb_array_length(arrivals) FROM noetl.run WHERE execution_id = :id;
SELECT array_agg(number ORDER BY number) FROM noetl.arrival WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);
SELECT count(*) FROM noetl.arrival WHERE execution_id = :id;

-- What a child returns is the value of the last step that it has completed with an action,
-- whatever else its log says.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/parent
workflow:
- {step: call, type: playbook, path: srow/child, next: end}
- {step: end, result: "{{ call }}"}
$$) > 0;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/child
workflow:
- {step: start, next: [a, b]}
- {step: a, type: srowa, code: x, next: n}
- {step: n, join: each, next: [m, {when: false, step: c}]}
- {step: m, join: each, type: noop}
- {step: b, type: srowb, code: x, on_error: n}
- {step: c, type: srowc, code: x}
$$) > 0;
CREATE FUNCTION pg_temp.returned(changes jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    parent bigint := noetl.execute('srow/parent');
    child bigint := (SELECT execution_id FROM noetl.execution WHERE parent_execution_id = parent);
BEGIN
    PERFORM pg_temp.done('a', '{"a": 1}');
    ALTER TABLE noetl.event DISABLE TRIGGER USER;
    INSERT INTO noetl.event SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', (SELECT max(event_id) + 1 FROM noetl.event WHERE execution_id = child), 'created_at', clock_timestamp(), 'node_id', child || ':c', 'node_name', 'c', 'result', 7) || changes)).*
      FROM noetl.event e WHERE execution_id = child AND event_type = 'step_completed' AND node_name = 'a';
    ALTER TABLE noetl.event ENABLE TRIGGER USER;
    PERFORM noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{srowb}');
    RETURN (SELECT status || ' ' || coalesce(result::text, error) FROM noetl.execution WHERE execution_id = parent);
END $$;
SELECT changes, pg_temp.returned(changes) FROM unnest(ARRAY['{"meta": {}}', '{"node_name": null}', '{"node_name": "nobody"}', '{"catalog_id": null}', '{"meta": {"ignored": "by hand"}}']::jsonb[]) changes;

-- A CHECK of a user is asked for each value anew, however like the last one that is: of the same
-- length, or its beginning.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/%1$s
workflow:
- {step: start, next: [%1$s, bad]}
- {step: %1$s, type: srowa, code: x}
- {step: bad, type: srowa, code: x}
$$, name)) > 0 FROM unnest('{bqd,badlly}'::text[]) name;
ALTER TABLE noetl.queue ADD CONSTRAINT srow_check CHECK (node_name <> 'bad');
SELECT noetl.execute('srow/bqd');
SELECT noetl.execute('srow/badlly');
ALTER TABLE noetl.queue DROP CONSTRAINT srow_check;
SELECT count(*) FROM noetl.queue WHERE node_name = 'bad';

-- A task that a trigger of a user completes, in a part of the transaction, gives up its slot.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/%1$s
workflow:
- {step: %1$s, type: srow%1$s, code: x, %2$s}
$$, name, rest)) > 0 FROM (VALUES ('held', 'limits: {name: srow_held, concurrency: 1}'), ('go', 'description: x')) v (name, rest);
CREATE FUNCTION pg_temp.complete_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE node_name = 'held' AND status = 'leased';
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
    RETURN new;
END $$;
SELECT noetl.execute('srow/held') AS held \gset
SELECT noetl.execute('srow/held') AS next \gset
SELECT count(*) FROM noetl.lease('w', types => '{srowheld}');
CREATE TRIGGER complete_held BEFORE INSERT ON noetl.execution FOR EACH ROW WHEN (new.path = 'srow/go') EXECUTE FUNCTION pg_temp.complete_held();
SELECT noetl.execute('srow/go') > 0;
DROP TRIGGER complete_held ON noetl.execution;
SELECT status FROM noetl.execution WHERE execution_id = :held;
SELECT status FROM noetl.queue WHERE execution_id = :next;
SELECT count(*) FROM noetl.slot WHERE name = 'srow_held';
SELECT noetl.cancel(:next);

-- A rate of which a whole burst may begin again, and that nothing waits for, is forgotten.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/pace
workflow:
- {step: a, type: srowa, code: x, limits: {name: srow_pace, rate: {limit: 1, per: hour, burst: 1}}}
$$) > 0;
SELECT noetl.execute('srow/pace') AS id \gset
SELECT count(*) FROM noetl.limit_pace WHERE name = 'srow_pace';
UPDATE noetl.limit_pace SET due_at = now() - interval '1 s', full_at = now() - interval '1 s' WHERE name = 'srow_pace';
SELECT noetl.enqueue_next() >= 0;
SELECT count(*) FROM noetl.limit_pace WHERE name = 'srow_pace';
SELECT noetl.cancel(:id);
DELETE FROM noetl.limit_pace WHERE name = 'srow_pace';

-- Two tasks that begin in one transaction have a slot each, while there is room.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/two
workflow:
- {step: a, type: srowtwo, code: x, limits: {name: srow_two, concurrency: 2}}
$$) > 0;
SELECT noetl.execute('srow/two') AS id \gset
SELECT noetl.cancel(:id);
SELECT noetl.execute('srow/two') AS id \gset
SELECT noetl.cancel(:id);
BEGIN;
SELECT count(noetl.execute('srow/two')) FROM generate_series(1, 2);
SELECT status, count(*) FROM noetl.queue WHERE node_type = 'srowtwo' GROUP BY 1;
COMMIT;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'srow/two' AND status = 'RUNNING';
SELECT count(*) FROM noetl.slot WHERE name = 'srow_two';

-- The end of an execution serves all limits of which it had slots.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/limit_%1$s
workflow:
- {step: start, next: [%2$s]}
- {step: p, type: srowa, code: x, limits: {name: srow_p, concurrency: 1}}
- {step: q, type: srowa, code: x, limits: {name: srow_q, concurrency: 1}}
$$, name, next)) > 0 FROM (VALUES ('p', 'p'), ('q', 'q'), ('both', 'p, q')) v (name, next);
SELECT noetl.execute('srow/limit_both') AS both \gset
SELECT noetl.execute('srow/limit_p') AS p, noetl.execute('srow/limit_q') AS q \gset
SELECT node_name, status FROM noetl.queue WHERE execution_id IN (:p, :q) ORDER BY 1;
SELECT noetl.cancel(:both);
SELECT node_name, status FROM noetl.queue WHERE execution_id IN (:p, :q) ORDER BY 1;
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:p, :q]) id;

-- A worker that begins a task which is paused has its slot, which nobody else is given.
SELECT noetl.execute('srow/limit_p') AS p \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{srowa}');
SELECT noetl.execute('srow/limit_p') AS p \gset
SELECT noetl.pause(:p);
SELECT count(*) FROM noetl.slot WHERE name = 'srow_p';
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id) VALUES (:p, 'action_started', 'p', 'w');
SELECT noetl.execute('srow/limit_p') AS next \gset
SELECT status FROM noetl.queue WHERE execution_id IN (:p, :next) ORDER BY execution_id;
SELECT count(*) FROM noetl.slot WHERE name = 'srow_p' AND held;
SELECT noetl.complete(queue_id, '1', 'w') FROM noetl.queue WHERE execution_id = :p;
SELECT status FROM noetl.queue WHERE execution_id = :next;
SELECT * FROM noetl.verify(:next);
SELECT noetl.cancel(:next);
SELECT count(*) FROM noetl.slot WHERE name LIKE 'srow%';

-- What users come to demand of rows holds for events, for new versions and for keys of starts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/demand
workflow:
- {step: bad, type: srowa, code: x}
$$) > 0;
SELECT count(noetl.execute('srow/demand', key => 'good' || i)) FROM generate_series(1, 2) i;
SELECT count(*) FROM noetl.lease('w', types => '{srowa}');
ALTER TABLE noetl.queue ADD CONSTRAINT srow_check CHECK (worker_id <> 'bad');
SELECT count(*) FROM noetl.lease('bad', types => '{srowa}');
ALTER TABLE noetl.queue DROP CONSTRAINT srow_check;
SELECT count(noetl.execute('srow/demand', key => 'good' || i)) FROM generate_series(3, 4) i;
ALTER TABLE noetl.event ADD CONSTRAINT srow_check CHECK (event_type <> 'step_started' OR node_name <> 'bad') NOT VALID;
SELECT noetl.execute('srow/demand');
ALTER TABLE noetl.event DROP CONSTRAINT srow_check;
SELECT count(noetl.execute('srow/demand', key => 'good' || i)) FROM generate_series(5, 6) i;
ALTER TABLE noetl.start_key ADD CONSTRAINT srow_check CHECK (key <> 'bad');
SELECT noetl.execute('srow/demand', key => 'bad');
ALTER TABLE noetl.start_key DROP CONSTRAINT srow_check;
SELECT key FROM noetl.start_key WHERE path = 'srow/demand' ORDER BY 1;
DELETE FROM noetl.start_key WHERE path = 'srow/demand';

-- A library of another release than the extension's does nothing.
BEGIN;
UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'noetl';
ALTER TABLE noetl.queue SET (fillfactor = 90);
SELECT noetl.enqueue_next() >= 0;
ROLLBACK;

-- A trigger of a user sees the events that led to the row that it is called for.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: srow/seen
workflow:
- {step: a, type: srowv, code: x, next: b}
- {step: b, type: srowv, code: x}
$$) > 0;
CREATE TABLE srow_seen (node_name text, events text);
CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO srow_seen SELECT new.node_name, string_agg(event_type, ' ' ORDER BY event_id) FROM noetl.event WHERE execution_id = new.execution_id;
    RETURN new;
END $$;
CREATE TRIGGER see BEFORE INSERT ON noetl.queue FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
SELECT noetl.execute('srow/seen') AS id \gset
SELECT count(noetl.complete(queue_id, '1', 'w')) FROM noetl.lease('w', types => '{srowv}');
SELECT * FROM srow_seen;
DROP TRIGGER see ON noetl.queue;
-- So is one that is called once for a statement, and comes to noetl.event alone.
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO srow_seen VALUES ('statement', TG_OP);
    RETURN NULL;
END $$;
SELECT count(noetl.execute('srow/seen')) FROM generate_series(1, 2);
CREATE TRIGGER note AFTER INSERT ON noetl.event FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.note();
SELECT count(noetl.execute('srow/seen'));
DROP TRIGGER note ON noetl.event;
SELECT count(*) > 0 FROM srow_seen WHERE node_name = 'statement';
DROP TABLE srow_seen;
SELECT noetl.cancel(:id);
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'srow/%' AND status = 'RUNNING';
DELETE FROM noetl.queue WHERE node_type LIKE 'srow%';
-- What was forged is no story of the broker's.
DELETE FROM noetl.event USING noetl.execution x WHERE x.execution_id = event.execution_id AND x.path LIKE 'srow/%';
DELETE FROM noetl.execution WHERE path LIKE 'srow/%';
