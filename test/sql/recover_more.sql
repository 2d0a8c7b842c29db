-- After a failure: forks from runs that nobody had to work on, steps that are skipped between attempts.
SET timezone = 'UTC';

-- The input that the transitions gave is kept, also of a run that ended together with the one before it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/fork
workflow:
- {step: start, next: [{step: load, data: {n: 1}}, ask]}
- {step: load, next: [{step: nap, data: {m: "{{ data.n + 1 }}"}}]}
- {step: nap, type: wait, for: 0, next: [{step: idle, data: {k: "{{ data.m + 1 }}"}}]}
- {step: idle, type: recover_more, when: "{{ false }}", next: [{step: join, data: {j: 4}}]}
- {step: ask, type: wait, signal: answer, next: join}
- {step: join, join: all, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/fork') AS x \gset
SELECT noetl.skip(:x, 'join');
SELECT noetl.fork(:x, 'load') AS load, noetl.fork(:x, 'nap') AS nap, noetl.fork(:x, 'idle') AS idle,
       noetl.fork(:x, 'join') AS join, noetl.fork(:x, 'ask') AS ask \gset
SELECT context ->> 'step' AS step, context -> 'data' AS data, (SELECT count(*) FROM noetl.verify(execution_id)) AS wrong
  FROM noetl.event WHERE execution_id IN (:load, :nap, :idle, :join, :ask) AND event_type = 'execution_forked' ORDER BY execution_id;
SELECT status, count(*) FROM noetl.execution WHERE execution_id IN (:load, :nap, :idle, :join, :ask) GROUP BY status ORDER BY status;
-- A fork of the fork as well, and one from an earlier visit.
SELECT noetl.fork(:load, 'nap') AS again \gset
SELECT context -> 'data' AS data FROM noetl.event WHERE execution_id = :again AND event_type = 'execution_forked';
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:x, :ask]) AS id;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/visits
workflow:
- {step: start, next: [{step: turn, data: {n: 1}}]}
- {step: turn, next: [{when: "{{ data.n < 3 }}", then: [{step: turn, data: {n: "{{ data.n + 1 }}"}}]}, {else: [end]}]}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/visits') AS x \gset
SELECT noetl.fork(:x, 'turn', visit => 2) AS second, noetl.fork(:x, 'turn') AS third \gset
SELECT context -> 'data' AS data, (SELECT count(*) FROM noetl.verify(execution_id)) AS wrong
  FROM noetl.event WHERE execution_id IN (:second, :third) AND event_type = 'execution_forked' ORDER BY execution_id;

-- A step that waits for its next attempt can be skipped, and a client may end it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/retry
workflow:
- {step: start, next: [one, two, three]}
- {step: one, type: recover_more, retry: {max_attempts: 2, initial_delay: 3600}, next: join}
- {step: two, type: recover_more, retry: {max_attempts: 2, initial_delay: 3600}, next: join}
- {step: three, type: recover_more, retry: {max_attempts: 2, initial_delay: 3600}, on_error: continue, next: join}
- {step: join, join: all, next: end}
- {step: end, result: ["{{ one }}", "{{ two }}", "{{ three }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/retry') AS x \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', 3, types => '{recover_more}');
SELECT noetl.skip(:x, 'one', '"skipped"');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'step_completed', 'two', '"done"');
-- Not so a worker, whose attempt is over.
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:x, 'step_completed', 'three', 'w', '"late"');
SELECT event_type, node_name, meta ->> 'ignored' AS ignored FROM noetl.event
 WHERE execution_id = :x AND event_type IN ('step_skipped', 'step_completed') ORDER BY event_id;
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:x, 'step_failed', 'three', 'given up');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT count(*) FROM noetl.queue WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- A held step that is skipped, but whose transitions then raise, is held still.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/hold
workflow:
- {step: ask, type: wait, for: 1 day, when: "{{ workload.by.nobody }}", on_error: hold, next: [{when: "{{ result.level > 1 }}", then: [end]}]}
- {step: end, result: "{{ ask.level }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/hold') AS x \gset
SELECT noetl.skip(:x, 'ask');
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT event, node, note FROM story('recover_more/hold');
SELECT * FROM noetl.verify(:x);
SELECT noetl.skip(:x, 'ask', '{"level": 2}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- An execution does not go on while another one runs with its key.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/key
workflow:
- {step: start, next: ask}
- {step: ask, type: wait, signal: answer, next: [{when: "{{ result.yes.no }}", then: [end]}]}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/key', key => 'k', on_conflict => 'running') AS x \gset
SELECT noetl.signal(:x, 'answer', '1');
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('recover_more/key', key => 'k', on_conflict => 'running') AS y \gset
SELECT noetl.execute('recover_more/key') AS other \gset
SELECT noetl.signal(:other, 'answer', '1');
DO $$ BEGIN PERFORM noetl.redrive(min(execution_id)) FROM noetl.execution WHERE path = 'recover_more/key';
EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
SET client_min_messages = error;
SELECT count(*) FILTER (WHERE id = :other) AS other, count(*) AS redriven FROM noetl.redrive_all('recover_more/key', dry_run => false) AS id;
RESET client_min_messages;
SELECT noetl.cancel(:y);
SELECT noetl.redrive(:x);
SELECT noetl.execute('recover_more/key', key => 'k', on_conflict => 'running') = :x AS has_it_back;
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE path = 'recover_more/key';
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:x, :other]) AS id;
-- One that is scheduled may follow it, and keeps the key.
SELECT noetl.debounce('recover_more/key', 'k', '1 hour') AS later \gset
SELECT noetl.redrive(:x);
SELECT noetl.debounce('recover_more/key', 'k', '1 hour') = :later AS put_off;
SELECT count(*) FROM noetl.execution AS x, noetl.verify(x.execution_id) WHERE path = 'recover_more/key';
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:x, :later]) AS id;

-- One that has not been redriven does not have the key of a later one.
SELECT noetl.execute('recover_more/key', key => 'older') AS x \gset
SELECT noetl.cancel(:x), noetl.execute('recover_more/key', key => 'older', on_conflict => 'running') AS later \gset
UPDATE noetl.start_key SET execution_id = :x WHERE key = 'older';
SELECT relation, key FROM noetl.verify(:later);
SELECT noetl.rebuild(:later);
SELECT count(noetl.cancel(id)) AS cancelled, (SELECT count(*) FROM noetl.start_key WHERE execution_id = :later) AS has_key FROM unnest(ARRAY[:later]) AS id;

-- So it is with the key of an execution that a worker has started: its parent does not go on without it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/keys
workflow:
- {step: start, next: [call, ask]}
- {step: call, type: recover_more, code: x, next: end}
- {step: ask, type: wait, signal: answer, next: [{when: "{{ result.yes.no }}", then: [end]}]}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/keys') AS x \gset
SELECT queue_id AS task FROM noetl.lease('w', types => '{recover_more}') \gset
SELECT noetl.execute('recover_more/key', key => 'child', on_conflict => 'running') AS child \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id)
VALUES (:x, 'iteration_started', 'call', 0, jsonb_build_object('index', 0, 'child_execution_id', :child::bigint), 'w');
SELECT noetl.complete(:task, '1', 'w'), noetl.signal(:x, 'answer', '1');
SELECT noetl.execute('recover_more/key', key => 'child', on_conflict => 'running') AS y \gset
DO $$ BEGIN PERFORM noetl.redrive(max(execution_id)) FROM noetl.execution WHERE path = 'recover_more/keys';
EXCEPTION WHEN object_not_in_prerequisite_state THEN RAISE NOTICE '%', regexp_replace(SQLERRM, '\d{9,}', 'N'); END $$;
SELECT noetl.cancel(:y);
SELECT noetl.redrive(:x);
SELECT noetl.execute('recover_more/key', key => 'child', on_conflict => 'running') = :child AS has_it_back;
SELECT status, count(*) FROM noetl.execution WHERE execution_id IN (:x, :y, :child) GROUP BY status ORDER BY status;
SELECT v.* FROM unnest(ARRAY[:x, :y, :child]) AS id, noetl.verify(id) AS v;
SELECT noetl.cancel(:x);

-- The error of a held step is that of the failure that holds it, and not one that was retried before.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/held
workflow:
- {step: %s, type: recover_more, on_error: hold, next: end}
- {step: end}
$$, name)) > 0 AS registered FROM unnest(ARRAY['one', 'two']) AS name;
SELECT noetl.execute('recover_more/held', version => 1) AS x \gset
SELECT noetl.fail(queue_id, 'first', 'w') FROM noetl.lease('w', types => '{recover_more}');
SELECT noetl.retry(:x);
SELECT noetl.fail(queue_id, 'second', 'w') FROM noetl.lease('w', types => '{recover_more}');
SELECT count(*) FROM noetl.retry_all('recover_more/held', 'first');
SELECT count(*) FROM noetl.cancel_all('recover_more/held', 'first', dry_run => false);
SELECT count(*) FROM noetl.retry_all('recover_more/held', 'second');
-- It is found under another name, too.
SELECT severity FROM noetl.migrate(:x, 2, '{"one": "two"}', dry_run => false) WHERE severity = 'done';
SELECT count(*) FROM noetl.retry_all('recover_more/held', dry_run => false);
SELECT node_name FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.cancel(:x);
SELECT * FROM noetl.verify(:x);

-- An input is also for what is not begun anew: the items of an iterator, a save, a wait that goes on.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/input
workflow:
- {step: start, next: [{step: each, data: {base: 1}}, {step: ask, data: {base: 1}}]}
- step: each
  type: iterator
  mode: distributed
  collection: [a, b]
  element: e
  task: {type: recover_more, code: x, args: {e: "{{ e }}", base: "{{ data.base }}"}}
  next: join
- {step: ask, type: wait, signal: answer, accept: "{{ signal.data == data.base }}", args: {of: ask}, next: [{step: join, data: {base: "{{ data.base }}", of: "{{ data.of }}"}}]}
- {step: join, join: all, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/input') AS x \gset
SELECT noetl.complete(queue_id, '"done"', 'w') FROM noetl.lease('w', types => '{recover_more}');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{recover_more}');
SELECT noetl.redrive(:x, '{"base": 2}');
SELECT * FROM noetl.verify(:x);
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id = :x;
-- The wait was not what failed.
SELECT noetl.signal(:x, 'answer', '2'), noetl.cancel(:x, 'none has failed'), noetl.redrive(:x, '{"base": 3}');
SELECT * FROM noetl.verify(:x);
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id = :x;
SELECT noetl.signal(:x, 'answer', '3');
SELECT noetl.complete(queue_id, '"done"', 'w') FROM noetl.lease('w', types => '{recover_more}');
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
CREATE ROLE recover_more_role;
CREATE TABLE recover_more_saved (n int CHECK (n > 0), row_count int);
GRANT ALL ON recover_more_saved TO recover_more_role;
GRANT USAGE ON SCHEMA noetl TO recover_more_role;
GRANT INSERT ON noetl.event TO recover_more_role;
GRANT EXECUTE ON FUNCTION noetl.execute TO recover_more_role;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/save
workflow:
- step: count
  type: sql
  statement: INSERT INTO public.recover_more_saved (n) VALUES (7)
  args: {n: 0}
  save: {storage: postgres, table: recover_more_saved, data: {n: "{{ input.n }}", row_count: "{{ this.row_count }}"}}
  retry: {max_attempts: 2, initial_delay: 0.01, jitter: false}
  on_error: hold
  next: end
- {step: end}
$$) > 0 AS registered;
SET ROLE recover_more_role;
SELECT noetl.execute('recover_more/save') AS x, noetl.execute('recover_more/save') AS y \gset
RESET ROLE;
SELECT pg_sleep(0.02);
SELECT noetl.enqueue_next(:x);
SELECT * FROM noetl.verify(:x);
SELECT noetl.retry(:x, 'count', '{"n": 1}');
SELECT noetl.cancel(:y), noetl.redrive(:y, '{"n": 2}');
SELECT status FROM noetl.execution WHERE execution_id IN (:x, :y);
-- The statement was executed once in each, and the save in the end.
SELECT * FROM recover_more_saved ORDER BY n, row_count;
SELECT event, node, note FROM story('recover_more/save');
SELECT v.* FROM unnest(ARRAY[:x, :y]) AS id, noetl.verify(id) AS v;
-- So it is of an item of an iterator.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/items
workflow:
- step: each
  type: iterator
  collection: [8, 9]
  element: n
  task:
    type: sql
    statement: INSERT INTO public.recover_more_saved (n) VALUES (:n) RETURNING n
    params: {n: "{{ n }}"}
    save: {storage: postgres, table: recover_more_saved, data: {n: "{{ result[0].n - 8 }}", row_count: "{{ result[0].n }}"}}
  next: end
- {step: end, result: "{{ each }}"}
$$) > 0 AS registered;
TRUNCATE recover_more_saved;
SET ROLE recover_more_role;
SELECT noetl.execute('recover_more/items') AS x \gset
RESET ROLE;
SELECT noetl.redrive(:x);
ALTER TABLE recover_more_saved DROP CONSTRAINT recover_more_saved_n_check;
SELECT noetl.redrive(:x);
SELECT status, result, drive FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM recover_more_saved ORDER BY n, row_count;
SELECT * FROM noetl.verify(:x);
-- What children and items have done is not done again either.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/done
workload: {n: 0}
workflow:
- {step: count, type: sql, statement: INSERT INTO public.recover_more_saved (n) VALUES (:n) RETURNING n, params: {n: "{{ workload.n }}"}, next: end}
- {step: end, result: "{{ count[0].n }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/does
workflow:
- {step: start, next: [one, each]}
- step: one
  type: playbook
  path: recover_more/done
  args: {n: 1}
  save: {storage: postgres, table: recover_more_saved, data: {row_count: "{{ result }}", n: "{{ input.saved | default(10) }}"}}
  retry: {max_attempts: 2, initial_delay: 0}
  on_error: hold
  next: end
- step: each
  type: iterator
  collection: [2, 3]
  element: n
  task: {type: playbook, path: recover_more/done, args: {n: "{{ n }}"}}
  save: {storage: postgres, table: recover_more_saved, data: {row_count: "{{ count }}", n: "{{ input.saved | default(10) }}"}}
  retry: {max_attempts: 2, initial_delay: 0}
  next: end
- {step: end, result: ["{{ one }}", "{{ each }}"]}
$$) > 0 AS registered;
TRUNCATE recover_more_saved;
ALTER TABLE recover_more_saved ADD CHECK (n < 10);
SET ROLE recover_more_role;
SELECT noetl.execute('recover_more/does') AS x \gset
RESET ROLE;
SELECT * FROM noetl.verify(:x);
SELECT noetl.enqueue_next(:x);
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
SELECT noetl.redrive(:x, '{"saved": 4}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM recover_more_saved ORDER BY n, row_count;
SELECT event, node FROM story('recover_more/does') WHERE node ~ '^(one|each)' AND event !~ '^iteration';
SELECT * FROM noetl.verify(:x);
DROP TABLE recover_more_saved;
DROP OWNED BY recover_more_role;
DROP ROLE recover_more_role;

-- A fork from an earlier visit sees the values of the visits that it descends from, and not newer ones.
SET client_min_messages = error;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/pages
workflow:
- {step: start, next: [{step: fetch, data: {n: 1}}]}
- {step: fetch, type: recover_more_1, code: x, next: [{step: read}, {when: "{{ result.n < 3 }}", then: [{step: fetch, data: {n: "{{ result.n + 1 }}"}}]}]}
- {step: read, type: recover_more_2, code: x, next: route}
- {step: route, next: save}
- {step: save, type: recover_more_3, code: x, args: {fetched: "{{ fetch.n }}", read: "{{ read.of }}"}, next: end}
- {step: end}
$$) > 0 AS registered;
RESET client_min_messages;
SELECT noetl.execute('recover_more/pages') AS x \gset
SELECT noetl.complete(queue_id, action -> 'data', 'w') FROM noetl.lease('w', types => '{recover_more_1}');
SELECT noetl.complete(queue_id, action -> 'data', 'w') FROM noetl.lease('w', types => '{recover_more_1}');
SELECT noetl.complete(queue_id, action -> 'data', 'w') FROM noetl.lease('w', types => '{recover_more_1}');
SELECT count(noetl.complete(queue_id, jsonb_build_object('of', node_id LIKE '%:read'), 'w')) FROM noetl.lease('w', 3, types => '{recover_more_2}');
SELECT noetl.fork(:x, 'save', visit => 1) AS first, noetl.fork(:x, 'save', visit => 2) AS second, noetl.fork(:x, 'route', visit => 1) AS routed \gset
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id IN (:first, :second, :routed) ORDER BY execution_id;
SELECT v.* FROM unnest(ARRAY[:x, :first, :second, :routed]) AS id, noetl.verify(id) AS v;
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:x, :first, :second, :routed]) AS id;

-- The end is held as well when its result cannot be made; one that is skipped has the value that it is given.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/end
workflow:
- {step: start, next: [ask, tell]}
- {step: ask, type: wait, signal: answer, next: end}
- {step: tell, type: wait, signal: told, next: [{when: "{{ result }}", then: [end]}]}
- {step: end, result: "{{ ask.level.of }}", on_error: hold}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/end') AS x \gset
SELECT noetl.signal(:x, 'told', '1'), noetl.signal(:x, 'answer', '7');
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.retry(:x);
SELECT * FROM noetl.verify(:x);
SELECT noetl.cancel(:x), noetl.redrive(:x);
SELECT noetl.skip(:x, 'end', '"by hand"');
SELECT event, node, note FROM story('recover_more/end') WHERE node = 'end' OR event LIKE 'execution%';
SELECT * FROM noetl.verify(:x);
-- While other branches are live that then lead elsewhere.
SELECT noetl.execute('recover_more/end') AS x \gset
SELECT noetl.signal(:x, 'answer', '7'), noetl.skip(:x, 'end', '"by hand"'), noetl.signal(:x, 'told', '0');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
-- A branch that still reaches it changes nothing, with a result of its own and without one.
SELECT noetl.execute('recover_more/end') AS x \gset
SELECT noetl.signal(:x, 'answer', '7'), noetl.skip(:x, 'end', '"by hand"'), noetl.signal(:x, 'told', '1');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/plain
priority: 7
labels: {kind: plain}
workflow:
- {step: start, next: [ask, tell]}
- {step: ask, type: wait, signal: answer, next: end}
- {step: tell, type: wait, signal: told, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/plain', labels => '{"kind": "other", "of": "x"}', priority => 3) AS x \gset
SELECT noetl.signal(:x, 'answer', '7'), noetl.skip(:x, 'end', '"by hand"');
SELECT noetl.cancel(:x), noetl.redrive(:x), noetl.signal(:x, 'told', '1');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
-- A fork has the labels and the priority of what it is forked from.
SELECT noetl.fork(:x, 'tell') AS y \gset
SELECT labels, priority FROM noetl.execution WHERE execution_id = :y;
SELECT * FROM noetl.verify(:y);
SELECT noetl.execute('recover_more/plain', priority => 0) AS x \gset
SELECT noetl.fork(:x, 'ask') AS y \gset
SELECT labels, priority FROM noetl.execution WHERE execution_id = :y;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'recover_more/plain' AND status = 'RUNNING';

-- What a step of a child is skipped with counts as if the step had been done.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/child
workflow:
- {step: one, type: wait, for: 0, next: two}
- {step: two, type: wait, signal: told, next: three}
- {step: three, type: wait, for: 0, when: "{{ false }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/parent
workflow:
- {step: ask, type: playbook, path: recover_more/child, next: end}
- {step: end, result: "{{ ask }}"}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/parent') AS x \gset
SELECT noetl.skip(execution_id, 'two', '{"by": "hand"}') FROM noetl.execution WHERE parent_execution_id = :x;
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
