-- More of what the broker guards: retry policies of tasks inside tasks, strings that only the
-- worker renders, and what is held, resumed, redriven or migrated.  See "Guards" in
-- doc/guarantees.md.
SET client_min_messages = error;
CREATE FUNCTION told(steps text, answers jsonb DEFAULT '{}', tasks int DEFAULT 1000) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    PERFORM noetl.cancel(execution_id) FROM noetl.execution WHERE status = 'RUNNING' AND path = 'resume/it';
    PERFORM noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: resume/it\nworkflow:\n' || steps);
    id := noetl.execute('resume/it');
    PERFORM work(answers, tasks);
    RETURN id;
END
$$;
CREATE FUNCTION outcome(id bigint) RETURNS TABLE (status text, result jsonb, error text, wrong bigint) LANGUAGE sql AS $$
    SELECT status, result, error, (SELECT count(*) FROM noetl.verify(id)) FROM noetl.execution WHERE execution_id = id
$$;
CREATE FUNCTION log_of(id bigint, events text DEFAULT '') RETURNS TABLE (event text, node text, note text) LANGUAGE sql AS $$
    SELECT event_type, regexp_replace(node_id, '\d+:', ''), coalesce(error, meta ->> 'ignored') FROM noetl.event WHERE execution_id = id AND event_type ~ events ORDER BY event_id
$$;

-- The policy of a task inside another task, as JSON: what is null is not said.
SELECT policy, attempt, noetl.retry_delay(policy::jsonb, '{}', '{}', attempt, false, 'no', '{"a": 1, "data": 4}') AS delay
  FROM (VALUES ('null', 1), ('false', 1), ('true', 3), ('2', 2), ('"{{ 1 + 1 }}"', 2), ('1', 1), ('{"jitter": false}', 1), ('{"jitter": false}', 2), ('{"jitter": false}', 3),
    ('{"jitter": false, "max_attempts": null, "initial_delay": null, "max_delay": null, "retry_when": null, "stop_when": null}', 1),
    ('{"jitter": false, "max_attempts": 5, "initial_delay": 2, "backoff_multiplier": 3}', 3), ('{"jitter": false, "max_attempts": 5, "initial_delay": 2, "backoff_multiplier": 3, "max_delay": 7}', 3),
    ('{"jitter": false, "retry_delay": 5}', 1), ('{"jitter": false, "initial_delay": "{{ attempt + 4 }}"}', 1),
    ('{"jitter": false, "retry_when": true}', 1), ('{"jitter": false, "retry_when": false}', 1), ('{"jitter": false, "retry_when": 0}', 1), ('{"jitter": false, "retry_when": []}', 1), ('{"jitter": false, "retry_when": "{{ error == ''no'' }}"}', 1),
    ('{"jitter": false, "retry_when": "{{ error == ''yes'' }}"}', 1), ('{"jitter": false, "stop_when": true}', 1), ('{"jitter": false, "stop_when": "{{ result.a == 1 }}"}', 1), ('{"jitter": false, "stop_when": ""}', 1)) v (policy, attempt);
SELECT count(DISTINCT noetl.retry_delay('{"jitter": null, "initial_delay": 1}', '{}', '{}', 1, false, 'no', NULL)) > 1 AS jitters FROM generate_series(1, 20);
SELECT r, noetl.retry_delay('{"jitter": false, "retry_when": "{{ status_code == 3 }}"}', '{}', '{}', 1, true, NULL, r::jsonb) AS delay
  FROM unnest(ARRAY['{"status_code": 3}', '{"data": {"status_code": 3}}', '{"data": {"data": {"status_code": 3}}}', '{"data": {"data": {"data": {"status_code": 3}}}}', '{"a": 1}', '3', 'null', '{"data": 3}']) r;
CREATE FUNCTION refused(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{9,}', '…');
END
$$;
SELECT policy, refused(format('SELECT noetl.retry_delay(%L, ''{}'', ''{}'', 1, false, ''no'', NULL)', policy))
  FROM unnest(ARRAY['"{{ 1 +"', '{"max_attempts": "{{ 1 +"}', '{"retry_delay": "{{ 1 +"}', '{"initial_delay": "{{ 1 +"}', '{"backoff_multiplier": "{{ 1 +"}', '{"max_delay": "{{ 1 +"}', '{"jitter": "{{ 1 +"}', '{"retry_when": "{{ 1 +"}', '{"stop_when": "{{ 1 +"}']) policy;

-- Strings that only the worker can render are those of the playbook itself, where they are
-- still there: not what a transition has given instead, whatever that looks like.
SELECT told(E'- {step: a, type: python, code: x, next: {step: b, data: {list: [x], text: [x], same: "{{ ''{'' ~ ''{ env.B }'' ~ ''}'' }}", other: 1}}}\n'
    '- {step: b, type: python, code: x, data: {list: ["{{ env.A }}", "{{ env.B }}"], text: "{{ env.A }}", same: "{{ env.A }}", other: {x: "{{ env.A }}"}, own: [1, "{{ env.A }}"]}}', '{}', 1) AS id \gset
SELECT action -> 'data' AS data, context FROM noetl.queue WHERE execution_id = :id;
SELECT told(E'- {step: a, type: python, code: x, next: {step: b, data: {list: "0000"}}}\n- {step: b, type: python, code: x, data: {list: ["{{ env.A }}", "{{ env.B }}"]}}', '{}', 1) AS id \gset
SELECT action -> 'data' AS data, context FROM noetl.queue WHERE execution_id = :id;
-- A layer of the input that is null has no members.
SELECT told(E'- {step: b, type: python, code: x, data: "{{ none }}", args: {b: 1}}', '{}', 0) AS id \gset
SELECT action -> 'data' AS data FROM noetl.queue WHERE execution_id = :id;

-- An item that cannot be started fails the iterator, also when it is resumed.
SELECT told(E'- {step: s, type: iterator, element: n, mode: distributed, concurrency: 1, collection: [1, 0, 2, 0], on_error: hold, task: {type: http, url: "{{ 2 / n }}"}, next: end}\n- {step: end, result: "{{ s }}"}', '{"s": 7}') AS id \gset
SELECT * FROM log_of(:id, 'held|iteration_(com|fail)');
SELECT noetl.retry(:id, 's') AS resumed;
SELECT step FROM work();
SELECT * FROM log_of(:id, 'held|iteration_(com|fail)|resumed');
SELECT DISTINCT e.parent_event_id IS NULL AS without_parent FROM noetl.event e WHERE e.execution_id = :id AND event_type LIKE 'iteration_failed';
SELECT (outcome(:id)).*;
-- What its items are is in the log alone.
CREATE FUNCTION retried(id bigint, logged jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE noetl.event SET context = logged WHERE execution_id = id AND event_type = 'iterator_started';
    PERFORM noetl.retry(id, 's');
    RAISE 'it is resumed';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT logged, retried(:id, logged) FROM unnest(ARRAY[NULL, '{}', '{"collection": 3}', '{"collection": {"a": 1}}', '{"collection": [1, 1, 1, 1]}']::jsonb[]) logged;

-- What waits of an iterator that was resumed is what has not begun since.
SELECT told(E'- {step: s, type: iterator, element: n, mode: distributed, concurrency: 1, collection: [0, 1, 2], on_error: hold, task: {type: http, url: "{{ 2 / n }}"}, next: end}\n- {step: end, result: "{{ s }}"}', '{"s": {"fail": "no"}}') AS id \gset
SELECT noetl.retry(:id, 's') AS resumed;
SELECT regexp_replace(node_id, '\d+:', '') AS node, action -> 'url' AS url FROM noetl.queue WHERE execution_id = :id;
SELECT item_index FROM noetl.item WHERE execution_id = :id ORDER BY 1;
SELECT * FROM noetl.verify(:id);
SELECT count(*) FROM work('{"s": 7}');
SELECT * FROM noetl.verify(:id);

-- Of an iterator that has done all of its items, only the end is tried again.
SELECT told(E'- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2], on_error: hold, task: {type: python, code: x}, next: [{when: "{{ s[0] / 0 > 1 }}", then: end}]}\n- {step: end, result: "{{ s }}"}', '{"s": 7}') AS id \gset
SELECT * FROM log_of(:id, 'held|iteration_completed|iterator');
SELECT noetl.retry(:id, 's') AS resumed;
SELECT * FROM log_of(:id, 'held|iteration_completed|iterator|resumed');
SELECT count(*) AS tasks FROM noetl.queue WHERE execution_id = :id;
-- So of children, one after the other.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: resume/child\nworkflow:\n- {step: one, type: python, code: x, next: end}\n- {step: end, result: "{{ one }}"}') > 0 AS registered;
SELECT told(E'- {step: s, type: iterator, element: n, mode: async, concurrency: 1, collection: [1, 2, 3], on_error: hold, task: {type: playbook, path: resume/child}, next: end}\n- {step: end, result: "{{ s }}"}', '{"one": {"fail": "no"}}', 2) AS id \gset
SELECT step FROM work('{"one": 5}');
SELECT * FROM log_of(:id, 'held|iteration');
SELECT noetl.retry(:id, 's') AS resumed;
SELECT step FROM work('{"one": 6}');
SELECT * FROM log_of(:id, 'held|iteration|resumed');
SELECT (outcome(:id)).*;

-- A client that fails what is held fails it for good.
SELECT told('- {step: s, type: python, code: x, on_error: hold}', '{"s": {"fail": "no"}}') AS id \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:id, 'step_failed', 's', 'by hand');
SELECT (outcome(:id)).*;

-- What a task is told under the name of a result is none.
SELECT told(E'- {step: s, type: python, code: x, data: {this: 5}, save: {storage: http, url: "{{ this }}"}, on_error: hold, next: end}\n- {step: end}', '{"s": {"fail": "no"}}') AS id \gset
SELECT step_name, state, context FROM noetl.run WHERE execution_id = :id;
SELECT noetl.retry(:id, 's') AS resumed;
SELECT action -> 'type' AS type, context FROM noetl.queue WHERE execution_id = :id;
SELECT step FROM work();
SELECT (outcome(:id)).*;

-- So of a task that was never queued, as its execution has failed in the same moment.
SELECT told(E'- {step: start, next: [s, c]}\n- {step: s, type: python, code: x, data: {this: 5}, save: {storage: http, url: "{{ this }}"}, next: end}\n- {step: c, type: playbook, path: resume/later, next: end}\n- {step: end}', '{}', 0) AS id \gset
SELECT (outcome(:id)).*;
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: resume/later\nworkflow:\n- {step: end, result: 1}') > 0 AS registered;
SELECT noetl.redrive(:id) AS redriven;
SELECT node_name, action -> 'type' AS type FROM noetl.queue WHERE execution_id = :id;
SELECT step FROM work();
SELECT (outcome(:id)).*;

-- A step that waits for what its worker has started goes on waiting when the execution is redriven.
SELECT told(E'- {step: s, type: python, code: x, next: end}\n- {step: end, result: "{{ s }}"}', '{}', 0) AS id \gset
SELECT noetl.execute('resume/child') AS child \gset
SELECT queue_id FROM noetl.lease('w') \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, context) VALUES (:id, 'iteration_started', 's', 'w', jsonb_build_object('child_execution_id', :child));
SELECT noetl.complete(:queue_id, '"own"', 'w');
SELECT step_name, state, context - 'event_id' AS context FROM noetl.run WHERE execution_id = :id;
SELECT noetl.cancel(:id);
SELECT execution_id = :child AS is_child, status FROM noetl.execution WHERE execution_id >= :id ORDER BY execution_id;
SELECT noetl.redrive(:id) AS redriven;
SELECT step_name, state, context - 'event_id' AS context FROM noetl.run WHERE execution_id = :id;
SELECT execution_id = :child AS is_child, status FROM noetl.execution WHERE execution_id >= :id ORDER BY execution_id;
SELECT step FROM work('{"one": 5}');
SELECT (outcome(:id)).*;

-- A wait that has failed begins anew when it is resumed.
SELECT told(E'- {step: s, type: wait, signal: p, timeout: 0.01, on_error: hold, next: end}\n- {step: end, result: "{{ s.data }}"}', '{}', 0) AS id \gset
SELECT pg_sleep(0.02), noetl.enqueue_next(:id);
SELECT noetl.retry(:id, 's');
SELECT event_type, meta - 'by' AS meta FROM noetl.event WHERE execution_id = :id ORDER BY event_id;
SELECT pg_sleep(0.02), noetl.enqueue_next(:id);
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- What has begun in the evaluation that fails is withdrawn before the compensations begin.
SELECT told(E'- {step: a, type: python, code: x, compensate: {type: python, code: undo}, next: [x, w, c]}\n- {step: x, type: playbook, path: resume/child}\n- {step: w, type: wait, signal: never}\n- {step: c, type: playbook, path: resume/nowhere}', '{}', 1) AS id \gset
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT path, status FROM noetl.execution WHERE execution_id >= :id ORDER BY execution_id;
SELECT * FROM noetl.verify(:id);
SELECT step FROM work();
SELECT (outcome(:id)).*;

-- An item whose end is not in the log has no result, and no error.
SELECT told(E'- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2, 3], on_error: continue, task: {type: python, code: x}, next: end}\n- {step: end, result: "{{ s }}"}', '{"s": "one"}', 1) AS id \gset
SELECT count(*) FROM work('{"s": {"fail": "no"}}', 1);
DELETE FROM noetl.event WHERE execution_id = :id AND event_type IN ('iteration_completed', 'action_completed');
SELECT count(*) FROM work('{"s": "three"}', 1);
SELECT event_type, result FROM noetl.event WHERE execution_id = :id AND event_type = 'iterator_completed';
SELECT status, result FROM noetl.execution WHERE execution_id = :id;
DELETE FROM noetl.event WHERE execution_id = :id;
DELETE FROM noetl.execution WHERE execution_id = :id;

-- Compensations of one evaluation see each its own result.
SELECT told(E'- {step: x, type: python, code: x, next: a}\n- {step: a, type: wait, signal: p, compensate: {type: http, url: "undo {{ result }}"}, next: b}\n- {step: b, type: wait, signal: q, compensate: {type: http, url: "undo {{ result }}"}, next: c}\n- {step: c, type: playbook, path: resume/nowhere}', '{}', 0) AS id \gset
SELECT noetl.signal(:id, 'p', '"p"'), noetl.signal(:id, 'q', '"q"');
SELECT count(*) FROM work('{}', 1);
SELECT node_name, action -> 'url' AS url FROM noetl.queue WHERE execution_id = :id;
SELECT count(*) FROM work('{}', 1);
SELECT node_name, action -> 'url' AS url FROM noetl.queue WHERE execution_id = :id;
SELECT count(*) FROM work('{}', 1);
SELECT (outcome(:id)).*;

-- Only a wait whose time was over says so.
SELECT told(E'- {step: a, type: wait, signal: "{{ 1 / 0 }}", on_error: continue, next: end}\n- {step: end, result: "{{ this is defined }}"}') AS id \gset
SELECT event_type, node_name, error, meta FROM noetl.event WHERE execution_id = :id AND event_type = 'step_completed';

-- A new version of the playbook: an iterator that waits at a join has no items yet, and what a
-- branch descends from counts where the new version still tells branches apart.
SELECT told(E'- {step: start, next: [a, b]}\n- {step: a, type: python, code: x, next: s}\n- {step: b, type: python, code: x, next: s}\n- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2], task: {type: python, code: x}, next: end}\n- {step: end, result: "{{ s }}"}', '{}', 1) AS id \gset
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: resume/it\nworkflow:\n- {step: start, next: [a, b]}\n- {step: a, type: python, code: x, next: s}\n- {step: b, type: python, code: x, next: s}\n- {step: s, type: iterator, element: n, mode: distributed, collection: [1, 2, 3], task: {type: python, code: x}, next: end}\n- {step: end, result: "{{ s }}"}') > 0 AS registered;
SELECT severity, step, regexp_replace(message, '\d+', 'N') AS message FROM noetl.migrate(:id, dry_run => false);
SELECT step_name, state FROM noetl.run WHERE execution_id = :id;
SELECT count(*) FROM work('{"s": 5}');
SELECT (outcome(:id)).*;
CREATE FUNCTION migrated(data text, steps text) RETURNS TABLE (arrivals jsonb, migrated bigint, wrong bigint, after jsonb) LANGUAGE plpgsql AS $$
DECLARE
    id bigint := told(E'- {step: start, next: [a, b, z]}\n- {step: a, type: python, code: x, next: c}\n- {step: b, type: python, code: x, next: c}\n- {step: c, join: each, type: python, code: x, next: j}\n- {step: z, type: python, code: x, next: j}\n- {step: j, type: python, code: x, data: ' || data || '}', '{}', 0);
    task noetl.queue;
BEGIN
    FOR task IN SELECT * FROM noetl.lease('w', 3) LOOP
        PERFORM noetl.complete(task.queue_id, '{}', 'w') WHERE task.node_name <> 'z';
    END LOOP;
    PERFORM work('{"c": 4}', 2);
    PERFORM noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: resume/it\nworkflow:\n' || steps || E'\n- {step: z, type: python, code: x, next: j}\n- {step: j, type: python, code: y, data: ' || data || '}');
    migrated := (SELECT count(*) FROM noetl.migrate(id, dry_run => false) WHERE severity = 'done');
    arrivals := (SELECT jsonb_agg(x - 'event_id') FROM noetl.run r, jsonb_array_elements(r.arrivals) x WHERE execution_id = id);
    PERFORM noetl.complete(queue_id, '{}', 'w') FROM noetl.queue WHERE execution_id = id AND node_name = 'z';
    wrong := (SELECT count(*) FROM noetl.verify(id));
    after := (SELECT jsonb_agg(action -> 'data') FROM noetl.queue WHERE execution_id = id);
    RETURN NEXT;
END
$$;
SELECT what, m.* FROM (VALUES
    ('as before', '{c: "{{ c }}"}', E'- {step: start, next: [a, b, z]}\n- {step: a, type: python, code: x, next: c}\n- {step: b, type: python, code: x, next: c}\n- {step: c, join: each, type: python, code: x, next: j}'),
    ('not told apart', '{c: "{{ c }}"}', E'- {step: start, next: [a, b, z]}\n- {step: a, type: python, code: x, next: [c, d]}\n- {step: b, type: python, code: x, next: d}\n- {step: c, type: python, code: x, next: d}\n- {step: d, join: each, type: python, code: x, next: j}'),
    ('not there', '{}', E'- {step: start, next: [a, b, z]}\n- {step: a, type: python, code: x, next: d}\n- {step: b, type: python, code: x, next: d}\n- {step: d, join: each, type: python, code: x, next: j}')) v (what, data, steps),
    migrated(data, steps) m;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE status = 'RUNNING' AND path = 'resume/it';
SELECT count(noetl.complete(queue_id, '{}', worker_id)) > 0 AS left_over FROM noetl.queue q JOIN noetl.execution x USING (execution_id) WHERE x.path LIKE 'resume/%';
DROP FUNCTION migrated(text, text), retried(bigint, jsonb), refused(text), log_of(bigint, text), outcome(bigint), told(text, jsonb, int);
RESET client_min_messages;

-- Attempts of a redrive are counted anew, also by the policy of the step.
SELECT noetl.register('
apiVersion: noetl.io/v1
kind: Playbook
path: resume/anew
workflow:
- {step: a, type: anew, code: x, retry: {max_attempts: 2, initial_delay: 0, retry_when: "{{ attempt < 2 }}"}}') > 0 AS registered;
SELECT noetl.execute('resume/anew') AS id \gset
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{anew}');
SELECT noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{anew}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT noetl.redrive(:id) IS NOT NULL AS redriven;
SELECT attempts, attempts_before, max_attempts, noetl.fail(queue_id, 'no', 'w') FROM noetl.lease('w', types => '{anew}');
SELECT attempts, attempts_before, max_attempts, noetl.complete(queue_id, '1', 'w') FROM noetl.lease('w', types => '{anew}');
SELECT status FROM noetl.execution WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);
