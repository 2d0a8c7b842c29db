-- Compensations: what an execution has completed is undone before it fails.
SET client_min_messages = error;

-- A worker that answers, and checks the execution after each report.
CREATE FUNCTION undo_work(answers jsonb DEFAULT '{}', tasks int DEFAULT 100)
RETURNS TABLE (step text, type text, attempt int, action jsonb, wrong bigint)
LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
BEGIN
    FOR i IN 1 .. tasks LOOP
        SELECT * INTO task FROM noetl.lease('tester');
        EXIT WHEN NOT FOUND;
        step := regexp_replace(task.node_id, '^\d+:', '');
        type := task.action ->> 'type';
        attempt := task.attempts;
        action := task.action - 'type';
        IF answers -> task.node_name ? 'fail' THEN
            PERFORM noetl.fail(task.queue_id, answers -> task.node_name ->> 'fail', 'tester');
        ELSE
            PERFORM noetl.complete(task.queue_id, coalesce(answers -> task.node_name, '{"ok": true}'), 'tester');
        END IF;
        wrong := (SELECT count(*) FROM noetl.verify(task.execution_id));
        RETURN NEXT;
    END LOOP;
END
$$;
CREATE FUNCTION undo_events(playbook text) RETURNS TABLE (event text, node text, status text, error text, meta jsonb) LANGUAGE sql AS $$
    SELECT event_type, regexp_replace(node_id, '^\d+:?', ''), status, regexp_replace(error, '-?\d+\.\d+', '<n>'),
           regexp_replace(regexp_replace((meta - 'transitions' - 'attempt' - 'started_by' - 'started_by_oid' - 'settings' - 'timed_out' - 'reason' - 'by')::text, '"\d{12,}"|\d{12,}', '"<id>"', 'g'), '-\d+\.\d+', '<n>', 'g')::jsonb
      FROM noetl.event WHERE execution_id = newest(playbook) AND event_type NOT LIKE 'action%' AND event_type <> 'execution_start' ORDER BY event_id
$$;
CREATE FUNCTION undo_end(playbook text) RETURNS TABLE (status text, error text, ended boolean, result jsonb, wrong bigint) LANGUAGE sql AS $$
    SELECT status, regexp_replace(error, '-?\d+\.\d+', '<n>'), ended_at IS NOT NULL, regexp_replace(result::text, '-?\d+\.\d+', '<n>')::jsonb, (SELECT count(*) FROM noetl.verify(execution_id)) FROM noetl.execution WHERE execution_id = newest(playbook)
$$;
CREATE FUNCTION undo_redrive(playbook text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN noetl.redrive(newest(playbook));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN regexp_replace(SQLERRM, '\d{9,}', '<id>');
END
$$;

-- The newest completion is undone first; the compensation sees the step's value and its input.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/trip
workload: {who: Ann}
workflow:
- {step: start, next: flight}
- step: flight
  type: http
  url: book
  args: {seat: "{{ workload.who }}"}
  compensate: {type: http, url: "cancel/{{ result.id }}", args: {why: "{{ seat }} does not go"}}
  next: [hotel, car]
- step: hotel
  type: http
  url: book
  compensate: {type: shell, command: "free {{ hotel.id }} {{ flight.id }}", retry: {max_attempts: 2, initial_delay: 0, jitter: false}}
  next: pay
- {step: car, type: http, url: book, next: pay}
- {step: pay, type: http, url: pay, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('undo/trip') > 0 AS started;
SELECT * FROM undo_work('{"flight": {"id": 7}, "hotel": {"id": 8}, "pay": {"fail": "no money"}}', 4);
-- It runs until all is undone.
SELECT * FROM undo_end('undo/trip');
SELECT node_name, node_type, status FROM noetl.queue WHERE execution_id = newest('undo/trip');
SELECT step, state, waits_for, CASE WHEN step IS NULL THEN detail END AS detail FROM noetl.why(newest('undo/trip'));
SELECT * FROM undo_work('{"hotel.compensate": {"fail": "busy"}}', 1);
SELECT noetl.rebuild(newest('undo/trip'));
DELETE FROM noetl.queue WHERE execution_id = newest('undo/trip');
SELECT noetl.rebuild(newest('undo/trip')) > 0 AS rebuilt;
SELECT * FROM undo_work();
SELECT * FROM undo_end('undo/trip');
SELECT * FROM undo_events('undo/trip');
-- What is undone cannot go on, and a compensation is no beginning.
DO $$ BEGIN
    PERFORM noetl.fork(newest('undo/trip'), 'flight.compensate');
    RAISE 'forked';
EXCEPTION WHEN invalid_parameter_value THEN NULL;
END $$;
SELECT undo_redrive('undo/trip');

-- A compensation that fails does not keep the others from being done.
SELECT noetl.execute('undo/trip') > 0 AS started;
SELECT step, wrong FROM undo_work('{"flight": {"id": 7}, "hotel": {"id": 8}, "pay": {"fail": "no money"}, "hotel.compensate": {"fail": "busy"}}');
SELECT * FROM undo_end('undo/trip');
SELECT meta -> 'compensation_failed' AS failed, error FROM noetl.event WHERE execution_id = newest('undo/trip') AND event_type = 'execution_failed';

-- Nothing has completed: the execution fails at once.
SELECT noetl.execute('undo/trip') > 0 AS started;
SELECT step, wrong FROM undo_work('{"flight": {"fail": "no seat"}}');
SELECT * FROM undo_end('undo/trip');
SELECT undo_redrive('undo/trip');

-- It goes on, and is cancelled: in vain what is leased, undone what is done.
SELECT step, wrong FROM undo_work('{}', 1);
SELECT node_name FROM noetl.lease('slow');
SELECT noetl.cancel(newest('undo/trip'), 'ill', undo => true);
SELECT node_name, status FROM noetl.queue WHERE execution_id = newest('undo/trip');
SELECT * FROM undo_end('undo/trip');
SELECT noetl.cancel(newest('undo/trip'), 'ill', undo => true);
SELECT * FROM undo_end('undo/trip');
SELECT step, wrong FROM undo_work();
SELECT * FROM undo_end('undo/trip');
SELECT * FROM undo_events('undo/trip');
SELECT noetl.cancel(newest('undo/trip'), 'ill', undo => true);
-- Without undo nothing is undone; and what is being undone can be cancelled.
SELECT noetl.execute('undo/trip') > 0 AS started;
SELECT step, wrong FROM undo_work('{}', 1);
SELECT noetl.cancel(newest('undo/trip'), 'ill');
SELECT * FROM undo_end('undo/trip');
SELECT noetl.execute('undo/trip') > 0 AS started;
SELECT step, wrong FROM undo_work('{}', 1);
SELECT noetl.cancel(newest('undo/trip'), 'ill', true);
SELECT noetl.cancel(newest('undo/trip'), 'at once');
SELECT * FROM undo_end('undo/trip');
SELECT undo_redrive('undo/trip');
-- A compensation can be skipped.
SELECT noetl.execute('undo/trip') > 0 AS started;
SELECT step, wrong FROM undo_work('{}', 1);
SELECT noetl.cancel(newest('undo/trip'), 'ill', true);
SELECT noetl.skip(newest('undo/trip'), 'flight.compensate', '{"by": "phone"}');
SELECT * FROM undo_end('undo/trip');

-- Every completed visit is undone; statements by the broker, at once.
CREATE TABLE undo_stock (item text PRIMARY KEY, amount int CHECK (amount > 0));
CREATE ROLE regress_undo;
GRANT ALL ON undo_stock TO regress_undo;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute, noetl.cancel TO regress_undo;
CREATE FUNCTION undo_start(path text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT noetl.execute(path)';
ALTER FUNCTION undo_start OWNER TO regress_undo;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/visits
workload: {items: [tea, salt, rice]}
workflow:
- {step: start, next: {step: take, data: {n: 0}}}
- step: take
  type: sql
  statement: INSERT INTO public.undo_stock VALUES (:item, 3 - :n) RETURNING item
  params: {item: "{{ workload['items'][n] }}", n: "{{ n }}"}
  compensate:
    type: sql
    when: "{{ result[0].item != 'salt' }}"
    statement: UPDATE public.undo_stock SET amount = amount + 100 + :n WHERE item = :item
    params: {item: "{{ result[0].item }}", n: "{{ data.n }}"}
  next: {step: take, data: {n: "{{ data.n + 1 }}"}}
$$) > 0 AS registered;
SELECT undo_start('undo/visits') > 0 AS started;
SELECT status, left(error, 60) AS error, wrong FROM undo_end('undo/visits');
SELECT * FROM undo_stock ORDER BY item;
SELECT event, node, status, meta FROM undo_events('undo/visits') WHERE node LIKE '%comp%' OR event LIKE 'execution%';
-- A statement that fails is noted.
TRUNCATE undo_stock;
ALTER TABLE undo_stock ADD CHECK (amount < 100);
SELECT undo_start('undo/visits') > 0 AS started;
SELECT status, left(error, 60) AS error, wrong FROM undo_end('undo/visits');
SELECT meta -> 'compensation_failed' AS failed FROM noetl.event WHERE execution_id = newest('undo/visits') AND event_type = 'execution_failed';

-- Children: one that fails undoes its own; one that has completed is undone by its parent.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/child
workflow:
- {step: start, next: one}
- {step: one, type: http, url: x, compensate: {type: http, url: undo one}, next: two}
- {step: two, type: http, url: x, compensate: {type: http, url: undo two}, next: end}
- {step: end, result: {made: "{{ one.id }}"}}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/unmake
workflow:
- {step: start, next: do}
- {step: do, type: http, url: "unmake {{ workload.what }}", next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/parent
workflow:
- {step: start, next: first}
- {step: first, type: playbook, path: undo/child, compensate: {type: playbook, path: undo/unmake, args: {what: "{{ result.made }}"}}, next: second}
- {step: second, type: playbook, path: undo/child, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('undo/parent') > 0 AS started;
SELECT step, action ->> 'url' AS url, wrong FROM undo_work('{"one": {"id": 5}}', 3);
SELECT step, action ->> 'url' AS url, wrong FROM undo_work('{"two": {"fail": "broken"}}');
SELECT * FROM undo_end('undo/parent');
SELECT * FROM undo_end('undo/child');
SELECT * FROM undo_events('undo/parent');

-- Time that is over has the execution undone, without any limit of time.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/late
timeout: 60
workflow:
- {step: start, next: one}
- {step: one, type: http, url: x, on_error: hold, compensate: {type: http, url: undo one}, next: two}
- {step: two, type: wait, signal: go, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('undo/late') > 0 AS started;
SELECT step, wrong FROM undo_work();
UPDATE noetl.execution SET deadline = now() - interval '1 s' WHERE execution_id = newest('undo/late');
SELECT noetl.enqueue_next() IS NOT NULL AS done;
SELECT * FROM undo_end('undo/late');
SELECT deadline FROM noetl.execution WHERE execution_id = newest('undo/late');
SELECT noetl.signal(newest('undo/late'), 'go');
-- Failures of compensations are not held.
SET noetl.on_error = hold;
SELECT step, wrong FROM undo_work('{"one.compensate": {"fail": "no"}}');
RESET noetl.on_error;
SELECT * FROM undo_end('undo/late');
SELECT event, node, error, meta FROM undo_events('undo/late') WHERE event LIKE 'execution%';

-- Failures of the end's mapping, and of steps that follow at once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/mapping
workflow:
- {step: start, next: one}
- {step: one, type: http, url: x, compensate: {type: http, url: "undo {{ this.nr }}"}, next: [{when: "{{ this.ok }}", step: end}, {else: {step: two}}]}
- {step: two, type: http, url: "{{ one.no.such }}", next: end}
- {step: end, result: "{{ one.no.such }}"}
$$) > 0 AS registered;
SELECT noetl.execute('undo/mapping') > 0 AS started;
SELECT step, action, wrong FROM undo_work('{"one": {"ok": true, "nr": 4}}');
SELECT status, wrong FROM undo_end('undo/mapping');
SELECT noetl.execute('undo/mapping') > 0 AS started;
SELECT step, action, wrong FROM undo_work('{"one": {"ok": false, "nr": 5}}');
SELECT status, wrong FROM undo_end('undo/mapping');
-- A client completes the step itself.
SELECT noetl.execute('undo/mapping') > 0 AS started;
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (newest('undo/mapping'), 'step_completed', 'one', '{"ok": false, "nr": 6}');
SELECT step, action, wrong FROM undo_work();
SELECT status, wrong FROM undo_end('undo/mapping');

-- A child that has compensated does not go on: its parent's step starts another one.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/leg
workflow:
- {step: start, next: seat}
- {step: seat, type: http, url: book, compensate: {type: http, url: "free {{ result | tojson }}", retry: {max_attempts: 2, initial_delay: 0, jitter: false}}, next: meal}
- {step: meal, type: http, url: book, next: end}
- {step: end, result: "{{ workload.n }}"}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/journey
workflow:
- {step: start, next: leg}
- {step: leg, type: playbook, path: undo/leg, args: {n: 1}, on_error: hold, next: legs}
- {step: legs, type: iterator, element: n, collection: [2, 3], mode: async, concurrency: 2, on_error: hold,
   task: {type: playbook, path: undo/leg, args: {n: "{{ n }}"}}, next: end}
- {step: end, result: {leg: "{{ leg }}", legs: "{{ legs }}"}}
$$) > 0 AS registered;
CREATE FUNCTION undo_legs() RETURNS TABLE (n jsonb, status text, wrong bigint) LANGUAGE sql AS $$
    SELECT (SELECT context -> 'workload' -> 'n' FROM noetl.event AS e
             WHERE e.execution_id = x.execution_id AND event_type = 'execution_start'),
           status, (SELECT count(*) FROM noetl.verify(execution_id))
      FROM noetl.execution AS x WHERE parent_execution_id = newest('undo/journey') ORDER BY execution_id
$$;
SELECT noetl.execute('undo/journey') > 0 AS started;
SELECT step, attempt, wrong FROM undo_work('{"meal": {"fail": "none left"}, "seat.compensate": {"fail": "closed"}}', 3);
-- The compensation is attempted again, and done without.
SELECT noetl.skip(newest('undo/leg'), 'seat.compensate');
SELECT * FROM undo_legs();
SELECT undo_redrive('undo/leg');
SELECT noetl.retry(newest('undo/journey'), 'leg');
SELECT step, wrong FROM undo_work('{}', 2);
SELECT * FROM undo_legs();
-- An item starts another one as well; the child that has completed stays.
SELECT step, wrong FROM undo_work('{}', 3);
SELECT step, wrong FROM undo_work('{"meal": {"fail": "none left"}}', 2);
SELECT * FROM undo_legs();
SELECT noetl.retry(newest('undo/journey'));
SELECT step, wrong FROM undo_work('{"meal": {"fail": "none left"}}');
SELECT noetl.cancel(newest('undo/journey'));
SELECT undo_redrive('undo/journey');
SELECT step, wrong FROM undo_work();
SELECT * FROM undo_legs();
SELECT * FROM undo_end('undo/journey');

-- If a worker had started the child, its task is attempted again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/agency
workflow:
- {step: start, next: book}
- {step: book, type: python, code: x, next: pay}
- {step: pay, type: http, url: pay, next: end}
- {step: end, result: "{{ book.n }}"}
$$) > 0 AS registered;
SELECT noetl.execute('undo/agency') > 0 AS started;
SELECT queue_id AS task FROM noetl.lease('tester') \gset
SELECT noetl.execute('undo/leg') AS leg \gset
SELECT noetl.execute('undo/leg') AS other \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, current_index, context, worker_id)
SELECT newest('undo/agency'), 'iteration_started', 'book', i, jsonb_build_object('child_execution_id', id), 'tester'
  FROM (VALUES (0, :leg), (1, :other)) AS v (i, id);
SELECT noetl.complete(:task, '{"n": 1}', 'tester');
SELECT step, wrong FROM undo_work('{}', 2);
SELECT step, wrong FROM undo_work('{"meal": {"fail": "none left"}}', 1);
SELECT noetl.cancel(newest('undo/agency'));
SELECT path, status FROM noetl.execution WHERE execution_id IN (:leg, :other, newest('undo/agency')) ORDER BY execution_id;
SELECT undo_redrive('undo/agency');
SELECT step, wrong FROM undo_work('{}', 1);
SELECT noetl.cancel(newest('undo/agency'));
SELECT undo_redrive('undo/agency');
SELECT step, type, attempt, wrong FROM undo_work('{"book": {"n": 2}}');
SELECT status, result, wrong FROM undo_end('undo/agency');
SELECT status FROM noetl.execution WHERE execution_id IN (:leg, :other) ORDER BY execution_id;
SELECT event, node, status FROM undo_events('undo/agency');
SELECT noetl.rebuild(newest('undo/agency')) AS rebuilt;
SELECT count(*) FROM noetl.verify(newest('undo/agency'));

-- Nothing of a compensation that is attempted again is read from memory that is free by then, however large the events are.
DO $$
DECLARE
    id bigint;
    size int;
    text_size int;
    attempt int;
BEGIN
    FOREACH size IN ARRAY '{10, 5000, 20000}'::int[] LOOP
        FOREACH text_size IN ARRAY '{10, 9000, 20000}'::int[] LOOP
            id := noetl.execute('undo/leg');
            PERFORM noetl.complete(queue_id, jsonb_build_object('seat', repeat('x', size)), 'tester') FROM noetl.lease('tester');
            PERFORM noetl.fail(queue_id, repeat('m', 20000), 'tester') FROM noetl.lease('tester');
            FOR attempt IN 1 .. 2 LOOP
                PERFORM noetl.fail(queue_id, repeat('u', text_size), 'tester') FROM noetl.lease('tester');
            END LOOP;
            IF (SELECT status FROM noetl.execution WHERE execution_id = id) <> 'FAILED' OR EXISTS (SELECT FROM noetl.verify(id)) THEN
                RAISE 'sizes % and %: %', size, text_size, (SELECT jsonb_agg(v) FROM noetl.verify(id) AS v);
            END IF;
        END LOOP;
    END LOOP;
END
$$;

-- While it is paused nothing is undone.
SELECT noetl.execute('undo/mapping') > 0 AS started;
SELECT noetl.complete(queue_id, '{"ok": true, "nr": 9}', 'tester') FROM noetl.lease('tester');
SELECT noetl.pause(newest('undo/mapping'), 'not yet'), noetl.resume(newest('undo/mapping'));
SELECT noetl.pause(newest('undo/mapping'), 'not yet');
SELECT step, wrong FROM undo_work();
SELECT noetl.resume(newest('undo/mapping'));
SELECT step, action ->> 'url' AS url, wrong FROM undo_work();
SELECT status, wrong FROM undo_end('undo/mapping');

-- A simulation undoes as well.
SELECT event_type, step, status, regexp_replace(data::text, '"\d{12,}"', '"<id>"') AS data FROM noetl.simulate($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/simulated
workflow:
- {step: start, next: one}
- {step: one, type: http, url: x, args: {n: 1}, compensate: {type: http, url: "undo {{ result.id }} {{ data.n }}"}, next: two}
- {step: two, type: http, url: x, next: end}
- {step: end}
$$, stubs => '{"one": {"id": 7}, "two": {"error": "broken"}}') WHERE event_type NOT LIKE 'step%' AND (step IS NULL OR step <> 'one') AND event_type NOT LIKE '%compensating';

-- Nobody else sends the broker's events.
INSERT INTO noetl.event (execution_id, event_type) SELECT noetl.execute('undo/trip'), 'execution_undo';
SELECT meta -> 'ignored' AS ignored FROM noetl.event WHERE execution_id = newest('undo/trip') AND event_type = 'execution_undo';
SELECT noetl.cancel(newest('undo/trip'));

-- What is wrong with a compensation.
SELECT severity, line, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/wrong
workflow:
- {step: start, compensate: {type: http, url: x}, next: [a, b, c, d.compensate, d]}
- {step: a, type: http, url: x, compensate: free}
- {step: b, type: http, url: x, compensate: {url: x}}
- {step: c, type: http, url: x, compensate: {type: htpp, urrl: x, next: b, args: {x: "{{ result.id }} {{ nobody }}"}}}
- {step: d.compensate, type: http, url: x, compensate: {type: http, url: x, retry: {max_attempt: 3}, "{{ d.compensate }}": "{{ 1 + }}"}}
- {step: d, type: http, url: x, compensate: {type: http, url: x}}
$$);
-- What has been waited for can be undone, too.
SELECT severity, message FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
path: undo/wait
workflow:
- {step: order, type: wait, signal: order, compensate: {type: http, url: "x/{{ result.id }}", method: DELETE}, next: end}
- {step: end}
$$);
DROP TABLE undo_stock;
