-- What statements of an execution call while it is decided on: nothing of the execution is decided
-- on before what led to the statement is written, and its tasks may change meanwhile.
SET client_min_messages = error;
CREATE ROLE regress_calls;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute, noetl.cancel, noetl.signal, noetl.enqueue_next, noetl.set_limit TO regress_calls;
GRANT USAGE ON SCHEMA public TO regress_calls;
CREATE FUNCTION calls_start(steps text, path text DEFAULT 'calls/one') RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: ' || path || E'\nworkflow:\n' || steps);
    SELECT noetl.execute(path)
$$;
ALTER FUNCTION calls_start OWNER TO regress_calls;
CREATE FUNCTION calls_log(id bigint) RETURNS TABLE (event text, node text, status text, result jsonb, error text) LANGUAGE sql AS $$
    SELECT event_type, node_name, status, CASE jsonb_typeof(result) WHEN 'object' THEN result - 'sent_at' ELSE result END, error
      FROM noetl.event WHERE execution_id = id AND event_type <> 'execution_start' ORDER BY event_id
$$;

-- A signal that the statement sends ends the wait, and a call that does what is due keeps its hands off.
SELECT calls_start($$
- {step: start, next: [wait, call]}
- {step: wait, type: wait, signal: go}
- step: call
  type: sql
  statement: SELECT noetl.signal(:id, 'go') AS ended, noetl.enqueue_next(:id) AS ready
  params: {id: "{{ execution_id }}"}
$$, 'calls/signal') AS id \gset
SELECT * FROM calls_log(:id);
SELECT * FROM noetl.verify(:id);

-- The same where that call is one for all executions, and the statement cancels its own one.
SELECT calls_start($$
- {step: start, next: [wait, call]}
- {step: wait, type: wait, signal: go}
- step: call
  type: sql
  statement: SELECT noetl.cancel(:id) AS cancelled, noetl.enqueue_next() >= 0 AS looked
  params: {id: "{{ execution_id }}"}
$$, 'calls/cancel') AS id \gset
SELECT * FROM calls_log(:id);
SELECT count(*) FROM noetl.run WHERE execution_id = :id;
SELECT * FROM noetl.verify(:id);

-- A wait whose time comes in the statement is over once the statement is.
SELECT calls_start($$
- {step: start, next: [wait, first]}
- {step: wait, type: wait, for: 0.5, next: join}
- {step: first, type: calls, code: x, next: call}
- step: call
  type: sql
  statement: SELECT pg_catalog.pg_sleep(0.6) IS NULL AS slept, noetl.enqueue_next(:id) AS ready
  params: {id: "{{ execution_id }}"}
  next: join
- {step: join}
$$, 'calls/due') AS id \gset
SELECT step FROM work(tasks => 1);
SELECT noetl.enqueue_next(:id) >= 0 AS looked;
SELECT event, node, status FROM calls_log(:id) WHERE event <> 'action_completed';
SELECT * FROM noetl.verify(:id);

-- What the statement makes ready ends with the execution, which fails because of a condition.
SELECT calls_start($$
- {step: start, next: [one, two, call]}
- {step: one, type: calls, code: x, limits: {name: calls, concurrency: 1}}
- {step: two, type: calls, code: x, limits: {name: calls, concurrency: 1}}
- step: call
  type: caller
  code: x
  save:
    storage: postgres
    statement: SELECT noetl.set_limit('calls', 2) IS NULL
  next: [{when: "{{ 1 / 0 }}", step: three}]
- {step: three}
$$, 'calls/limit') AS id \gset
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
SELECT queue_id FROM noetl.lease('calls', types => '{caller}') \gset
SELECT noetl.complete(:queue_id, '{}', 'calls') AS completed;
SELECT event, node, status, error FROM calls_log(:id) OFFSET 3;
SELECT node_name, status FROM noetl.queue WHERE execution_id = :id ORDER BY queue_id;
SELECT * FROM noetl.verify(:id);
SELECT noetl.unset_limit('calls') AS unset;

-- More statements than plans are kept, in the check of a parameter: the statement is still this one.
SELECT string_agg(format('- {step: s%s, type: sql, statement: "SELECT %s AS n", next: [s%s]}', n, n, n + 1), E'\n') || E'\n- {step: s80}' AS steps
  FROM generate_series(1, 79) n \gset
SELECT calls_start(:'steps', 'calls/many') > 0 AS started;
CREATE FUNCTION calls_check(value int) RETURNS boolean LANGUAGE sql AS $$ SELECT noetl.execute('calls/many') > 0 $$;
CREATE DOMAIN calls_number AS int CHECK (public.calls_check(VALUE));
SELECT calls_start($$
- {step: one, type: sql, statement: "SELECT :n::public.calls_number AS n, :t::text AS t", params: {n: 7, t: seven}}
$$, 'calls/check') AS id \gset
SELECT event, node, status, result FROM calls_log(:id);

DROP DOMAIN calls_number;
DROP FUNCTION calls_start(text, text), calls_log(bigint), calls_check(int);
DROP OWNED BY regress_calls;
DROP ROLE regress_calls;
