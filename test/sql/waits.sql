-- Steps of type wait: for a time, until a moment, for a signal.
SET timezone = 'UTC';

-- The error of a statement, without ids.
CREATE FUNCTION fails(statement text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    message := regexp_replace(message, '\d{10,}', 'N', 'g');
END
$$;

-- An approval.  Nobody works on the wait: it has no task.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/approval
workflow:
- {step: start, next: approve}
- step: approve
  type: wait
  signal: [approve, reject]
  next:
  - {when: "{{ this.signal == 'reject' }}", then: refused}
  - {else: [pay]}
- {step: pay, type: python, code: x, data: {amount: "{{ approve.amount }}", by: "{{ approve.data.by }}"}, next: end}
- {step: refused, next: end}
- {step: end, result: "{{ approve }}"}
$$) > 0 AS registered;
SELECT noetl.execute('waits/approval') AS x \gset
SELECT step, state, signals FROM (SELECT l ->> 'step' AS step, l ->> 'state' AS state, l -> 'signals' AS signals
  FROM jsonb_array_elements(noetl.status(:x) -> 'live') l) t;
SELECT path, step, visit, since <= now() AS since, until, signals, key, labels FROM noetl.waiting;
SELECT step, state, due, waits_for, replace(detail, :'x', 'N') AS detail, replace(hint, :'x', 'N') AS hint FROM noetl.why(:x);
SELECT count(*) AS tasks FROM noetl.queue WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
-- A signal that nobody waits for is kept; one that is waited for ends the wait.
SELECT noetl.signal(:x, 'other', '1') AS ended;
SELECT * FROM noetl.verify(:x);
SELECT noetl.signal(:x, 'approve', '{"amount": 7, "by": "Ann"}') AS ended;
SELECT * FROM noetl.verify(:x);
SELECT name, id, taken FROM noetl.signal WHERE execution_id = :x;
SELECT step, input FROM work();
SELECT event, node, status, regexp_replace(note, ', "sent_at": .*}', ', …}') AS note FROM story('waits/approval');
SELECT result ->> 'signal' AS signal, result -> 'data' AS data, result ->> 'sent_by' = current_user AS sent_by,
       (result ->> 'sent_at')::timestamptz = (SELECT created_at FROM noetl.event s WHERE s.execution_id = :x AND s.event_id = e.parent_event_id) AS sent_at
  FROM noetl.event e WHERE execution_id = :x AND node_name = 'approve' AND event_type = 'step_completed';
-- When the execution is over nothing is kept, and nothing is taken any more.
SELECT count(*) AS kept FROM noetl.signal;
SELECT * FROM noetl.verify(:x);
SELECT * FROM fails(format('SELECT noetl.signal(%s, ''approve'')', :x));
SELECT * FROM fails('SELECT noetl.signal(1, ''approve'')');
SELECT * FROM fails(format('SELECT noetl.signal(%s, %L)', :x, NULL));
SELECT noetl.execute('waits/approval') AS x \gset
SELECT * FROM fails(format('SELECT noetl.signal(%s, '''')', :x));
SELECT * FROM fails(format('SELECT noetl.signal(%s, repeat(''x'', 600))', :x));
SELECT * FROM fails(format('SELECT noetl.signal(%s, ''n'', NULL, repeat(''x'', 600))', :x));
SELECT noetl.signal(:x, 'reject') AS ended;
SELECT status, result FROM noetl.execution WHERE execution_id = :x;

-- Early signals are kept, first in first out, and each is taken once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/inbox
workflow:
- {step: start, type: python, code: x, next: take}
- step: take
  type: wait
  signal: mail
  next:
  - {when: "{{ result.last }}", then: [end]}
  - {else: [take]}
- {step: end, result: "{{ take.n }}"}
$$) > 0 AS registered;
SELECT noetl.execute('waits/inbox') AS x \gset
SELECT noetl.signal(:x, 'mail', jsonb_build_object('n', i)) AS ended FROM generate_series(1, 3) i;
-- The same id again has no effect.
SELECT noetl.signal(:x, 'mail', '{"n": 4}', 'four'), noetl.signal(:x, 'mail', '{"n": 4, "again": true}', 'four');
SELECT name, id, taken FROM noetl.signal WHERE execution_id = :x ORDER BY event_id;
SELECT * FROM noetl.verify(:x);
SELECT step FROM work();
SELECT event, node, status, regexp_replace(note, ', "sent_at": .*}', ', …}') AS note FROM story('waits/inbox');
SELECT name, id, taken FROM noetl.signal WHERE execution_id = :x ORDER BY event_id;
SELECT * FROM noetl.verify(:x);
SELECT step, visit FROM noetl.waiting;
SELECT noetl.signal(:x, 'mail', '{"n": 4}', 'four');
-- A client may insert the event itself, and cannot say who it is.
INSERT INTO noetl.event (execution_id, event_type, node_name, context, meta)
VALUES (:x, 'signal_received', 'mail', '{"data": {"n": 5}}', '{"sent_by": "somebody", "sent_at": "1999-01-01"}');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'signal_received', 'mail', '{"n": 6}');
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES (:x, 'signal_received', 'mail', '{"data": {"n": 4}, "id": "four"}');
SELECT node_name, meta ->> 'sent_by' = current_user AS mine, (meta ->> 'sent_at')::timestamptz = created_at AS now, meta ->> 'ignored' AS ignored
  FROM noetl.event WHERE execution_id = :x AND event_type = 'signal_received' ORDER BY event_id DESC LIMIT 3;
SELECT * FROM fails(format('INSERT INTO noetl.event (execution_id, event_type) VALUES (%s, ''signal_received'')', :x));
SELECT * FROM noetl.verify(:x);
-- Many at once, in one transaction.
BEGIN;
SELECT noetl.execute('waits/inbox') AS y \gset
SELECT count(noetl.signal(:y, 'mail', jsonb_build_object('n', i, 'last', i = 3000))) FROM generate_series(1, 3000) i;
SELECT step FROM work();
COMMIT;
SELECT status, result FROM noetl.execution WHERE execution_id = :y;
SELECT count(*) FROM noetl.signal WHERE execution_id = :y;
SELECT * FROM noetl.verify(:y);
-- While the broker is off, signals wait for their decision.
SET noetl.broker = off;
SELECT noetl.signal(:x, 'mail', '{"n": 7}', 'seven'), noetl.signal(:x, 'mail', '{"n": 8, "last": true}', 'eight');
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES (:x, 'signal_received', 'mail', '{"data": {"n": 9}, "id": "seven"}');
RESET noetl.broker;
SELECT noetl.enqueue_next(:x);
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- Time: for a span, until a moment, whichever is first.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/time
workload: {until: null, pause: null, signal: null, limit: null}
workflow:
- {step: start, next: nap}
- step: nap
  type: wait
  for: "{{ pause }}"
  until: "{{ workload.until }}"
  signal: "{{ workload.signal }}"
  timeout: "{{ limit }}"
  next: end
- {step: end, result: "{{ nap }}"}
$$) > 0 AS registered;
CREATE FUNCTION nap(parameters jsonb) RETURNS TABLE (status text, error text, due text) LANGUAGE plpgsql AS $$
DECLARE
    x bigint := noetl.execute('waits/time', parameters);
BEGIN
    RETURN QUERY SELECT e.status, e.error, (SELECT extract(epoch FROM r.due_at - s.created_at)::numeric(20, 2) || ' s'
                                              FROM noetl.run r JOIN noetl.event s USING (execution_id, event_id) WHERE r.execution_id = x)
      FROM noetl.execution e WHERE e.execution_id = x;
    PERFORM noetl.cancel(x);
END
$$;
SELECT * FROM nap('{"pause": 90}');
SELECT * FROM nap('{"pause": "2 days 1 hour"}');
SELECT * FROM nap('{"pause": 0}');
SELECT * FROM nap('{"pause": "-5 min"}');
SELECT * FROM nap('{"pause": "soon"}');
SELECT * FROM nap('{"pause": [1]}');
SELECT * FROM nap('{"pause": "200 years"}');
SELECT * FROM nap('{"until": "2001-01-01 00:00+00"}');
SELECT * FROM nap('{"until": "2000-01-01 00:00+00"}');
SELECT * FROM nap('{"until": "-infinity"}');
SELECT * FROM nap('{"until": "never"}');
SELECT * FROM nap('{"until": 7}');
SELECT * FROM nap('{"until": "infinity"}');
SELECT * FROM nap('{"until": "infinity", "pause": 60, "signal": "s", "limit": 90}');
SELECT * FROM nap('{"signal": "s", "limit": 30}');
SELECT * FROM nap('{"signal": "s", "limit": 30, "pause": 20}');
SELECT * FROM nap('{"signal": []}');
SELECT * FROM nap('{}');
SELECT * FROM nap('{"signal": {"name": "s"}}');
SELECT * FROM nap(jsonb_build_object('signal', repeat('x', 600)));
-- Text without an offset is a time of the database's time zone, not the session's.
SELECT current_database() AS db \gset
ALTER DATABASE :"db" SET timezone = 'Asia/Tokyo';
SELECT noetl.execute('waits/time', '{"until": "2100-06-01 12:00"}') AS x \gset
ALTER DATABASE :"db" RESET timezone;
SELECT until FROM noetl.waiting;
SELECT * FROM noetl.verify(:x);
SELECT noetl.cancel(:x);
-- It ends when somebody comes by: noetl.enqueue_next() here.
SELECT noetl.execute('waits/time', '{"pause": 0.03, "signal": "never"}') AS x \gset
SELECT noetl.execute('waits/time', '{"limit": 0.03, "signal": "never"}') AS y \gset
SELECT pg_sleep(0.05);
SELECT step, state, waits_for ~ '^signal never or until 2' AS waits_for, hint FROM noetl.why(:x);
SELECT noetl.enqueue_next();
SELECT status, error, result FROM noetl.execution WHERE execution_id IN (:x, :y) ORDER BY execution_id;
SELECT event_type, node_name, status, result, meta - 'until' AS meta, error FROM noetl.event WHERE execution_id = :x ORDER BY event_id OFFSET 1;
SELECT event_type, node_name, status, result, meta - 'until' AS meta, error FROM noetl.event WHERE execution_id = :y ORDER BY event_id OFFSET 1;
SELECT * FROM noetl.verify(:x);
SELECT * FROM noetl.verify(:y);

-- The failure of a wait is handled like any other; a wait may begin again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/escalation
workflow:
- {step: start, next: ask}
- {step: ask, type: wait, signal: answer, timeout: 0.02, on_error: {step: remind}, next: end}
- {step: remind, next: ask}
- {step: end, result: "{{ ask }}"}
$$) > 0 AS registered;
SELECT noetl.execute('waits/escalation') AS x \gset
SELECT pg_sleep(0.03);
SELECT noetl.enqueue_next(:x);
SELECT pg_sleep(0.03);
SELECT noetl.enqueue_next(:x);
SELECT noetl.signal(:x, 'answer', '"yes"');
SELECT event, node, status, regexp_replace(note, ', "sent_at": .*}', ', …}') AS note FROM story('waits/escalation');
SELECT * FROM noetl.verify(:x);
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/continue
workflow:
- {step: start, next: ask}
- {step: ask, type: wait, signal: answer, timeout: 0.02, on_error: continue, next: end}
- {step: end, result: "{{ ask }}"}
$$) > 0 AS registered;
SELECT noetl.execute('waits/continue') AS x \gset
SELECT pg_sleep(0.03);
SELECT noetl.enqueue_next(:x);
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- What "accept" refuses stays for others.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/accept
workload: {limit: 100}
workflow:
- {step: start, next: [small, large, odd]}
- step: small
  type: wait
  signal: order
  accept: "{{ signal.data.amount <= workload.limit and signal.name == 'order' and signal.sent_by and not signal.key }}"
  next: join
- {step: large, type: wait, signal: order, accept: "{{ signal.data.amount > limit }}", data: {limit: 1000}, next: join}
- {step: odd, type: wait, signal: [order, odd], accept: "{{ 1 / signal.data.zero }}", next: join}
- {step: join, next: end}
- {step: end, result: {small: "{{ small.amount }}", large: "{{ large.amount }}", odd: "{{ odd.amount }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('waits/accept') AS x \gset
SELECT noetl.signal(:x, 'order', '{"amount": 500, "zero": 0}') AS ended;
SELECT noetl.signal(:x, 'order', '{"amount": 5000}') AS ended;
SELECT noetl.signal(:x, 'order', '{"amount": 50}') AS ended;
SELECT node_name, context, meta ->> 'accept_error' AS accept_error FROM noetl.event WHERE execution_id = :x AND event_type = 'signal_received' ORDER BY event_id;
SELECT step FROM noetl.waiting;
SELECT * FROM noetl.verify(:x);
SELECT noetl.signal(:x, 'order', '{"amount": 7, "zero": 1}') AS ended;
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);

-- Waits in children, and at a join that waits for them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/child
workload: {n: 0}
workflow:
- {step: start, next: hear}
- {step: hear, type: wait, signal: go, key: "{{ n }}"}
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/parent
workflow:
- {step: start, next: [one, each, tick]}
- {step: one, type: playbook, path: waits/child, data: {n: 1}, next: join}
- {step: each, type: iterator, collection: [2, 3], element: n, mode: async, task: {type: playbook, path: waits/child, data: {n: "{{ n }}"}}, next: join}
- {step: tick, type: wait, for: 0, next: join}
- {step: join, next: end}
- {step: end, result: {one: "{{ one }}", each: "{{ each.results }}", tick: "{{ tick }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('waits/parent') AS x \gset
SELECT path, step, key FROM noetl.waiting ORDER BY key;
SELECT noetl.send('go', '3', '"c"') AS three, noetl.send('go', '1', '"a"') AS one, noetl.send('go', '2', '"b"') AS two;
SELECT status, result FROM noetl.execution WHERE execution_id = :x;

-- A client may end a wait itself; a worker has nothing to report of it.
SELECT noetl.execute('waits/approval') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, result) VALUES (:x, 'action_completed', 'approve', 'w', '{}');
INSERT INTO noetl.event (execution_id, event_type, node_name, result) VALUES (:x, 'step_completed', 'approve', '{"amount": 1}');
SELECT event, node, status, regexp_replace(note, ', "sent_at": .*}', ', …}') AS note FROM story('waits/approval');
SELECT * FROM noetl.verify(:x);
SELECT noetl.cancel(:x);
SELECT noetl.execute('waits/approval') AS x \gset
INSERT INTO noetl.event (execution_id, event_type, node_name, error) VALUES (:x, 'step_failed', 'approve', 'nobody is there');
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT * FROM noetl.verify(:x);
SELECT noetl.execute('waits/approval') AS x \gset
SELECT noetl.signal(:x, 'later'), noetl.cancel(:x, 'not needed');
SELECT (SELECT count(*) FROM noetl.run WHERE execution_id = :x) AS runs, (SELECT count(*) FROM noetl.signal WHERE execution_id = :x) AS signals;
SELECT * FROM noetl.verify(:x);

-- An execution that has not begun keeps its signals, too.
SELECT noetl.execute('waits/approval', run_at => clock_timestamp() + interval '40 ms', labels => '{"team": "blue"}') AS x \gset
SELECT noetl.signal(:x, 'reject', '"early"'), noetl.status(:x) ->> 'status' AS status;
SELECT * FROM noetl.verify(:x);
SELECT pg_sleep(0.05);
SELECT noetl.enqueue_next(:x);
SELECT status FROM noetl.execution WHERE execution_id = :x;
SELECT event, node, status, regexp_replace(note, ', "sent_at": .*}', ', …}') AS note FROM story('waits/approval');
SELECT * FROM noetl.verify(:x);
SELECT noetl.execute('waits/approval', labels => '{"team": "blue"}') AS x \gset
SELECT step, labels FROM noetl.waiting WHERE labels @> '{"team": "blue"}';
SELECT noetl.signal(:x, 'reject');

-- Rows that are lost or wrong are restored from the log.
SELECT noetl.execute('waits/approval') AS x \gset
SELECT noetl.signal(:x, 'k1', '1'), noetl.signal(:x, 'k2', '2', 'id2');
DELETE FROM noetl.run WHERE execution_id = :x;
DELETE FROM noetl.signal WHERE execution_id = :x AND name = 'k1';
UPDATE noetl.signal SET taken = true WHERE execution_id = :x;
INSERT INTO noetl.signal VALUES (:x, 5, 'forged', NULL, false);
SELECT relation, expected - 'event_id' - 'created_at' - 'arrivals' AS expected, found FROM noetl.verify(:x) ORDER BY 1, 2::text, 3::text;
SELECT noetl.rebuild(:x);
SELECT * FROM noetl.verify(:x);
UPDATE noetl.run SET signal_key = 'other', signals = '{a,b}' WHERE execution_id = :x;
SELECT relation, key, expected, found FROM noetl.verify(:x);
SELECT noetl.rebuild(:x), noetl.signal(:x, 'reject');
SELECT count(*) AS differences FROM noetl.execution x CROSS JOIN LATERAL noetl.verify(x.execution_id) WHERE x.path LIKE 'waits/%';

-- What a playbook may say.
SELECT severity, line, col, path, message, hint FROM noetl.validate($$
apiVersion: noetl.io/v1
kind: Playbook
path: waits/lint
workflow:
- {step: start, next: [a, b, c, d, e, f, g, h, i, j, k, l, m]}
- {step: a, type: wait}
- {step: b, type: wait, untill: "2030-01-01", for: 1, frobnicate: 2}
- {step: c, type: wait, for: soon}
- {step: d, type: wait, until: whenever}
- {step: e, type: wait, until: 5}
- {step: f, type: wait, signal: []}
- {step: g, type: wait, signal: [1, ""]}
- {step: h, type: wait, for: 1, key: k, accept: "{{ signal.data }}", retry: 3, save: {storage: event}}
- {step: i, type: iterator, collection: [1], element: n, mode: distributed, task: {type: wait, for: 1}}
- {step: j, type: wait, for: 1, loop: {in: [1], iterator: n}}
- {step: k, type: waits, signal: x, wait: 5}
- {step: l, type: wait, signal: x, accept: "{{ signl.data.x }}", form: {type: object}, on_error: continue, next: end}
- {step: m, tool: {kind: wait, until: "2030-01-31 12:00:00"}, key: "{{ signal }}"}
- {step: end}
$$);
DROP FUNCTION nap(jsonb);
DROP FUNCTION fails(text);
