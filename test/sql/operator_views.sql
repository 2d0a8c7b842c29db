-- What the functions and views for operators say of executions that do not go the straight way:
-- that have failed before, wait for a slot, go on after a failure, were renamed by a migration.
SET client_min_messages = error;
\pset format unaligned
CREATE FUNCTION seen(id bigint) RETURNS TABLE (step text, attempt int, queued boolean, ended boolean, status text, error text) LANGUAGE sql AS $$
    SELECT t.step, t.attempt, t.queued_at IS NOT NULL, t.ended_at IS NOT NULL, t.status, t.error FROM noetl.timeline(id) AS t
$$;
CREATE FUNCTION why_told(id bigint) RETURNS TABLE (step text, state text, waits_for text, detail text, hint text) LANGUAGE sql AS $$
    SELECT w.step, w.state, w.waits_for, regexp_replace(w.detail, '\d{12,}', '<id>', 'g'), regexp_replace(w.hint, '\d{12,}', '<id>', 'g') FROM noetl.why(id) AS w
$$;
CREATE FUNCTION drawn(id bigint) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(regexp_replace(noetl.explain(id::text), '\d{12,}', '<id>'), 'since [^]]*', 'since <time>', 'g'),
                          '[0-9.]+ s\]', '<span>]', 'g')
$$;

-- noetl.failure names the step that has ended an execution, and not one that failed before: to a
-- handler, or in an earlier drive.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/handled
workflow:
- {step: start, next: a}
- {step: a, type: python, code: x, on_error: {step: h}, next: end}
- {step: h, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/redriven
workflow:
- {step: start, next: [a, w]}
- {step: a, type: python, code: x, next: end}
- {step: w, type: wait, signal: go, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('views/handled') AS e \gset
SELECT step FROM work('{"a": {"fail": "handled"}}', 1);
INSERT INTO noetl.event (execution_id, event_type, error) VALUES (:e, 'execution_failed', 'enough of it');
SELECT noetl.execute('views/handled') AS e \gset
SELECT step FROM work('{"a": {"fail": "handled"}, "h": {"fail": "the handler broke"}}', 2);
SELECT noetl.execute('views/redriven') AS e \gset
SELECT step FROM work('{"a": {"fail": "broke"}}', 1);
SELECT noetl.redrive(:e) AS resumed;
INSERT INTO noetl.event (execution_id, event_type, error) VALUES (:e, 'execution_failed', 'enough of it');
SELECT path, step, fingerprint, count FROM noetl.failure WHERE path LIKE 'views/%' ORDER BY 1, 2;

-- A redrive makes attempts, which are counted on, and seen before a worker has them.
SELECT noetl.execute('views/redriven') AS e \gset
SELECT step FROM work('{"a": {"fail": "broke"}}', 1);
SELECT noetl.redrive(:e) AS resumed;
SELECT * FROM seen(:e);
SELECT step, state, attempts, error FROM noetl.progress(:e) ORDER BY 1;
SELECT step FROM work();
SELECT noetl.signal(:e, 'go') AS went_on;
SELECT * FROM seen(:e);
SELECT step, state, attempts, error FROM noetl.progress(:e) ORDER BY 1;
SELECT drawn(:e);
SELECT key AS step, value -> 'attempts' AS attempts FROM jsonb_each(noetl.status(:e) -> 'steps') ORDER BY 1;

-- Of an iterator that goes on, items begin when it is their turn.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/items
workflow:
- {step: each, type: iterator, collection: [1, 2, 3, 4], element: x, mode: distributed, concurrency: 2, task: {type: python, code: x}}
$$) > 0 AS registered;
SELECT noetl.execute('views/items') AS e \gset
SELECT noetl.fail(queue_id, 'broke', 'tester') FROM noetl.lease('tester') WHERE current_index = 0;
SELECT noetl.redrive(:e) AS resumed;
SELECT step FROM work('{}', 1);
SELECT t.item, t.attempt, t.status, t.queued_at < r.created_at AS before, t.queued_at = r.created_at AS with_it, t.queued_at > r.created_at AS later
  FROM noetl.timeline(:e) AS t, noetl.event AS r WHERE r.execution_id = :e AND r.event_type = 'execution_redriven' AND t.item IS NOT NULL ORDER BY 1, 2;
SELECT count(*) AS done FROM work();
SELECT item, attempt, status FROM noetl.timeline(:e) WHERE item IS NOT NULL ORDER BY 1, 2;

-- What a client writes into events is not taken for the broker's counters, and makes nothing fail.
SELECT noetl.execute('views/items') AS e \gset
SELECT noetl.complete(queue_id, '1', 'tester') FROM noetl.lease('tester');
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, result, meta) VALUES
    (:e, 'iteration_completed', 'each', 1, '1', '{"total": 9, "done": "many", "failed": -1}'),
    (:e, 'iteration_completed', 'each', 1, '1', '{"total": 9.5, "done": 8.5}'), (:e, 'iteration_completed', 'each', 1, '1', '{"total": 9, "done": "8"}'),
    (:e, 'iteration_started', 'each', 1, NULL, '{"delay": "soon"}'), (:e, 'action_retry', 'each', 1, NULL, '{"delay": 1e300}');
SELECT noetl.status(:e) #> '{live,0,items}' AS items;
SELECT substring(detail FROM '^[^.]*') AS counted FROM why_told(:e);
SELECT item, attempt, status FROM noetl.timeline(:e) WHERE item IS NOT NULL ORDER BY 1, 2;
-- Items of a type, or of a playbook, that is paused wait for the end of that.
SELECT noetl.pause_tasks(type => 'python', reason => 'the gateway is down') > 0 AS paused;
SELECT regexp_replace(detail, '\d{4}-\d\d-\d\d [0-9:.+-]+|role \w+', '…', 'g') AS detail, hint FROM why_told(:e);
SELECT noetl.resume_tasks() AS resumed;
SELECT noetl.pause_tasks('views/items') > 0 AS paused;
SELECT regexp_replace(detail, '\d{4}-\d\d-\d\d [0-9:.+-]+|role \w+', '…', 'g') AS detail, hint FROM why_told(:e);
SELECT noetl.resume_tasks() AS resumed;
SELECT noetl.cancel(:e) AS cancelled;

-- noetl.retry() of a step that is held makes attempts, too.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/held
workflow:
- {step: a, type: python, code: x, on_error: hold, next: end}
- {step: end, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.execute('views/held') AS e \gset
SELECT step FROM work('{"a": {"fail": "broke"}}', 1);
SELECT noetl.retry(:e) AS resumed;
SELECT * FROM seen(:e);
SELECT step FROM work();
SELECT * FROM seen(:e);
-- The end is a step that did something: it is there once.
SELECT step, state, attempts, error FROM noetl.progress(:e) ORDER BY 1;

-- What an attempt tells of its progress is not said of the next one, nor of another visit; what is
-- no number is no trouble.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/progress
workflow:
- {step: a, type: views, code: x, retry: {max_attempts: 3, initial_delay: 0, jitter: false}, next: [{when: "{{ result.again }}", step: a}]}
$$) > 0 AS registered;
CREATE FUNCTION tell(id bigint, progress jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, worker_id, context)
    SELECT execution_id, 'progress', node_name, node_id, worker_id, progress FROM noetl.queue WHERE execution_id = id AND status = 'leased'
$$;
CREATE FUNCTION told_of(id bigint) RETURNS TABLE (visit jsonb, progress jsonb, why text) LANGUAGE sql AS $$
    SELECT l -> 'visit', (l -> 'progress') - 'at', substring(w.detail FROM 'Progress.*%')
      FROM jsonb_array_elements(noetl.status(id) -> 'live') AS l, noetl.why(id) AS w
$$;
SELECT noetl.execute('views/progress') AS e \gset
SELECT queue_id AS q FROM noetl.lease('tester', 1, '1 min', '{views}') \gset
SELECT tell(:e, '{"progress": 0.9}');
SELECT * FROM told_of(:e);
SELECT noetl.fail(:q, 'broke', 'tester');
SELECT noetl.enqueue_next(:e) >= 0 AS ready;
SELECT queue_id AS q FROM noetl.lease('tester', 1, '1 min', '{views}') \gset
SELECT * FROM told_of(:e);
SELECT tell(:e, '{"progress": 0.8}');
SELECT noetl.complete(:q, '{"again": true}', 'tester');
SELECT queue_id AS q FROM noetl.lease('tester', 1, '1 min', '{views}') \gset
SELECT * FROM told_of(:e);
SELECT tell(:e, '{"progress": "half", "message": "it goes on"}');
SELECT * FROM told_of(:e);
SELECT noetl.cancel(:e) AS cancelled;
SELECT noetl.redrive(:e) AS resumed;
SELECT count(*) FROM noetl.lease('tester', 1, '1 min', '{views}');
SELECT * FROM told_of(:e);
SELECT noetl.complete(queue_id, '{}', 'tester') FROM noetl.queue WHERE execution_id = :e AND status = 'leased';

-- A step that a migration has renamed has been done.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/migrated
workflow:
- {step: start, next: pay}
- {step: pay, type: python, code: x, next: ship}
- {step: ship, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('views/migrated') AS e \gset
SELECT step FROM work('{}', 1);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/migrated
workflow:
- {step: start, next: charge}
- {step: charge, type: python, code: x, next: ship}
- {step: ship, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT severity FROM noetl.migrate(:e, step_map => '{"pay": "charge"}', dry_run => false);
SELECT drawn(:e);
SELECT p.ended_at < m.created_at AS done_before FROM noetl.progress(:e) AS p, noetl.event AS m
 WHERE p.step = 'charge' AND m.execution_id = :e AND m.event_type = 'execution_migrated';
SELECT noetl.cancel(:e) AS cancelled;

-- A parent whose child waits for a slot waits for that child; a task that waits for one is coloured.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/child
limits: [{name: views, concurrency: 1}]
workflow:
- {step: one, type: views, code: x, limits: [{name: views task, concurrency: 1}]}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/parent
workflow:
- {step: call, type: playbook, path: views/child}
- {step: other, type: views, code: x, limits: [{name: views task, concurrency: 1}]}
$$) > 0 AS registered;
SELECT noetl.execute('views/child') AS first \gset
SELECT noetl.execute('views/parent') AS e \gset
SELECT * FROM why_told(:e);
SELECT noetl.cancel(:first) AS cancelled;
SELECT noetl.enqueue_next() >= 0 AS began;
SELECT waits_for, detail FROM why_told(:e);
SELECT noetl.cancel(:e) AS cancelled;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/blocked
workflow:
- {step: start, next: [a, b]}
- {step: a, type: views, code: x, limits: [{name: views task, concurrency: 1}]}
- {step: b, type: views, code: x, limits: [{name: views task, concurrency: 1}]}
$$) > 0 AS registered;
SELECT noetl.execute('views/blocked') AS e \gset
SELECT noetl.explain(:'e', 'mermaid') ~ 'class n2 blocked' AS coloured, noetl.explain(:'e', 'dot') ~ 'n2 .*fillcolor="#fdeec2"' AS in_dot;
-- Of the states of several visits the first one colours the step.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/visits
workflow:
- {step: start, next: [a, b]}
- {step: a, next: twice}
- {step: b, next: twice}
- {step: twice, type: twice, code: x, join: each}
$$) > 0 AS registered;
SELECT noetl.execute('views/visits') AS visits \gset
SELECT node_name FROM noetl.lease('tester', types => '{twice}');
SELECT state FROM noetl.progress(:visits) WHERE step = 'twice';
SELECT noetl.explain(:'visits', 'mermaid') ~ 'class n3 leased' AS coloured, noetl.explain(:'visits', 'dot') ~ 'n3 .*fillcolor="#[0-9a-f]+"' AS in_dot;
SELECT noetl.cancel(:visits);
SELECT count(noetl.complete(queue_id, 'null', 'tester')) AS given_up FROM noetl.queue WHERE execution_id = :visits;

-- The metrics tell what is blocked, and of what may be leased no type that is paused.
CREATE FUNCTION measured() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT line FROM regexp_split_to_table(noetl.metrics(), E'\n') AS line WHERE line ~ '^noetl_task_(ready|in_flight).*(views|many|blocked|paused)'
$$;
SELECT * FROM measured();
SELECT noetl.pause_tasks(type => 'Views') > 0 AS paused;
SELECT path, type FROM noetl.pause_rule;
SELECT * FROM measured();
SELECT count(*) FROM noetl.lease('tester', 1, '1 min', '{views}');
SELECT noetl.resume_tasks(type => 'VIEWS') AS resumed;
SELECT noetl.cancel(:e) AS cancelled;
-- What they cost does not grow with what is ready: an index leads to each type.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/many
workload: {n: 0, key: null}
workflow:
- step: each
  type: iterator
  collection: "{{ range(n) | list }}"
  element: x
  mode: distributed
  concurrency: 50000
  fairness: {key: "{{ key }}"}
  task: {type: "many", code: x}
$$) > 0 AS registered;
SELECT noetl.execute('views/many', '{"n": 12000}') AS e1 \gset
SELECT noetl.execute('views/many', '{"n": 3000, "key": "k"}') AS e2 \gset
SELECT noetl.execute('views/blocked') AS e3 \gset
ANALYZE noetl.queue;
CREATE FUNCTION looked_at() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := (SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'noetl.queue'::regclass);
BEGIN
    PERFORM noetl.metrics();
    RETURN (SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'noetl.queue'::regclass) - before;
END
$$;
SELECT looked_at() BETWEEN 12900 AND 13500 AS only_what_is_counted;
SELECT * FROM measured();
SELECT noetl.cancel(e) AS cancelled FROM (VALUES (:e1), (:e2), (:e3)) AS v (e);

-- What cannot be redriven is not said to be.
SELECT noetl.execute('views/handled', run_at => now() + interval '1 hour') AS e \gset
SELECT noetl.cancel(:e, 'not needed') AS cancelled;
SELECT state, detail, hint FROM why_told(:e);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/undone
workflow:
- {step: a, type: sql, statement: SELECT 1, compensate: {type: sql, statement: SELECT 2}, next: b}
- {step: b, type: sql, statement: SELECT 1 / 0}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/broken
workload: {n: "{{ 1 / 0 }}"}
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/caller
workflow:
- {step: call, type: playbook, path: views/failing, on_error: hold}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: views/failing
workflow:
- {step: a, type: python, code: x}
$$) > 0 AS registered;
CREATE ROLE regress_views;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_views;
GRANT INSERT ON noetl.event TO regress_views;
SET ROLE regress_views;
SELECT noetl.execute('views/undone') AS e \gset
RESET ROLE;
SELECT state, hint FROM why_told(:e);
SELECT noetl.execute('views/broken') AS e \gset
SELECT state, hint FROM why_told(:e);
SELECT noetl.execute('views/caller') AS e \gset
SELECT step FROM work('{"a": {"fail": "broke"}}', 1);
SELECT state, hint FROM why_told(newest('views/failing'));
SELECT noetl.cancel(:e) AS cancelled;
SELECT state, hint FROM why_told(newest('views/failing'));

-- What must not be taken for everything, or is no rate.
SELECT * FROM noetl.retain('0', '', dry_run => false);
SELECT count(*) FROM noetl.retention;
\set VERBOSITY sqlstate
SELECT noetl.set_limit('views', rate => '{"limit": 1.5, "per": "minute"}');
SELECT noetl.set_limit('views', rate => '{"limit": 30000000000, "per": "minute"}');
SELECT noetl.set_limit('views', rate => '{"limit": 1, "per": "fortnight"}');
SELECT noetl.set_limit('views', rate => '{"limit": 1, "per": ["minute"]}');
SELECT noetl.set_limit('views', rate => '{"limit": 1, "per": "minute", "burst": "x"}');
\set VERBOSITY default
SELECT noetl.set_limit('views', rate => '{"limit": 1, "per": "PT1M"}');
SELECT per FROM noetl.limit_rule WHERE name = 'views';
SELECT noetl.unset_limit('views') AS unset;

SELECT x.path, v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE x.path LIKE 'views/%';
DROP OWNED BY regress_views;
DROP ROLE regress_views;
