-- A playbook is played in memory: no worker, no waiting, nothing written.
\set ECHO all
\pset format unaligned
\pset tuples_only on
SET TimeZone TO 'UTC';
SET DateStyle TO 'ISO';
SELECT $$
apiVersion: noetl.io/v1
kind: Playbook
path: shop/order
workload: {order: 7, limit: 100}
workflow:
- step: start
  next: price
- step: price
  type: http
  method: GET
  url: "https://shop.example/orders/{{ order }}"
  retry: {max_attempts: 3, initial_delay: 259200, max_delay: 604800, backoff_multiplier: 2}
  next:
  - when: "{{ price.total > limit }}"
    then: approve
  - else: ship
- step: approve
  type: wait
  signal: approved
  accept: "{{ signal.sent_by != 'intern' }}"
  timeout: 2 days
  on_error: [end]
  next:
  - when: "{{ approve.ok }}"
    then: ship
  - else: end
- step: ship
  type: python
  code: |
    def main(total): return total
  args: {total: "{{ price.total }}"}
  next: end
- step: end
  result: {shipped: "{{ ship.box if ship is defined else none }}"}
$$ AS shop \gset
-- The rows of a play as text, without what every step has.
CREATE FUNCTION pg_temp.told(text, jsonb DEFAULT '{}', text[] DEFAULT NULL) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT replace(concat_ws(' ', to_char(at, 'DD HH24:MI'), event_type, step, status, data ->> 'error',
                            data -> 'result', data ->> 'reason'), format('"%s"', current_user), '"me"')
     FROM noetl.simulate($1, '{}', $2, '2026-03-01')
    WHERE event_type <> ALL (coalesce($3, '{step_started,action_started,action_completed,task}')) $$;
SELECT count(*) AS events FROM noetl.event \gset
SELECT count(*) AS executions FROM noetl.execution \gset
BEGIN READ ONLY;

-- The price is asked for three times, with three and with six days between.
SELECT seq, at, event_type, step, status, data - 'meta' AS data
  FROM noetl.simulate(:'shop', '{"order": 8}',
       '{"price": [{"error": "no route"}, {"error": "503", "result": {"status_code": 503}}, {"total": 20}],
         "ship": {"result": {"box": "b1"}, "after": "1 hour"}}', '2026-03-01');

-- Without stubs every task comes to {}; a condition over what is not there is false.
SELECT event_type, step, data FROM noetl.simulate(:'shop') WHERE event_type IN ('step_completed', 'execution_complete');

-- A wait: what it does not accept does not end it, and two days are over at once.
SELECT pg_temp.told(:'shop', '{"price": {"total": 500}, "approve":
  [[{"signal": true, "data": {"ok": true}, "sent_by": "intern", "after": "1 hour"},
    {"signal": "approved", "data": {"ok": true}, "sent_by": "ann", "after": "1 day"}]], "ship": {"box": "b2"}}');
SELECT pg_temp.told(:'shop', '{"price": {"total": 500}, "approve": {"ok": false}}');
SELECT pg_temp.told(:'shop', '{"price": {"total": 500}, "approve": {"signal": true, "after": "50 hours"}}');

-- Nothing ends this wait: the last row says so.
SELECT pg_temp.told($$
kind: Playbook
workflow:
- step: approve
  type: wait
  signal: [yes_please, never]
$$);

-- Time passes as it would: for, until, a timeout of a task and of the whole.
SELECT pg_temp.told($$
kind: Playbook
timeout: 30 days
workflow:
- step: start
  next: [nap, slow]
- step: nap
  type: wait
  for: 90 minutes
  next: dawn
- step: dawn
  type: wait
  until: "2026-03-02 06:00"
- step: slow
  type: shell
  command: sleep
  timeout: 10 min
  retry: {max_attempts: 2, initial_delay: 60}
  on_error: continue
  next: slower
- step: slower
  type: shell
  command: sleep
$$, '{"slow": {"after": 601}, "slower": {"after": "40 days"}}');

-- What a worker reports of an attempt that has timed out comes too late.
SELECT pg_temp.told($$
kind: Playbook
workflow:
- step: slow
  type: shell
  command: sleep
  timeout: 10 min
  retry: {max_attempts: 2, initial_delay: 0}
  next: end
- step: end
  result: "{{ slow }}"
$$, '{"slow": [{"after": 601, "result": "late"}, {"after": 300, "result": "in time"}]}', '{step_started,action_started,task}');
-- The time of an attempt that has ended is not that of the next one.
SELECT pg_temp.told($$
kind: Playbook
workflow:
- step: call
  type: playbook
  path: no/such
  timeout: 1 hour
  retry: {max_attempts: 2, initial_delay: 0}
$$, '{"call": [{"error": "busy", "after": "30 min"}, {"after": "50 min"}]}');
SELECT pg_temp.told($$
kind: Playbook
workflow:
- {step: load, type: sql, statement: SELECT 1, timeout: 5, on_error: continue, next: again}
- {step: again, type: sql, statement: SELECT 1, timeout: 5}
$$, '{"load": {"after": 6}, "again": {"after": 4}}', '{step_started,task}');
-- Why a signal is not accepted is noted in its event.
SELECT event_type, step, data -> 'meta' ->> 'accept_error' AS accept_error FROM noetl.simulate($$
kind: Playbook
workflow:
- {step: ask, type: wait, signal: answer, accept: "{{ signal.data.a.b }}", timeout: 1 day}
$$, '{}', '{"ask": [[{"a": {"b": true}}, {"signal": true, "data": {}}]]}') WHERE event_type LIKE 'signal%';
SELECT event_type, step, data -> 'meta' ->> 'accept_error' AS accept_error FROM noetl.simulate($$
kind: Playbook
workflow:
- {step: ask, type: wait, signal: answer, accept: "{{ signal.data.a.b }}", timeout: 1 day}
$$, '{}', '{"ask": {}}') WHERE event_type LIKE 'signal%';
-- A key that is a number counts as its text, in a wait and in a stub.
SELECT event_type, step, data -> 'result' -> 'data' AS data FROM noetl.simulate($$
kind: Playbook
workflow:
- {step: ask, type: wait, signal: answer, key: 7, timeout: 1 day}
$$, '{}', '{"ask": [[{"signal": true, "key": 8, "data": "other"}, {"signal": true, "key": 7, "data": "own"}]]}')
 WHERE event_type IN ('step_completed', 'step_failed');

-- A failure: its handler, a held step, a failed execution.
SELECT $$
kind: Playbook
workflow:
- step: risky
  type: python
  code: x
  on_error: %s
  next: end
- step: mend
  type: python
  code: x
- step: end
$$ AS risky \gset
SELECT pg_temp.told(format(:'risky', '{step: mend}'), '{"risky": {"error": {"code": 7}}}');
SELECT pg_temp.told(format(:'risky', 'hold'), '{"risky": {"error": "no"}}');
SELECT pg_temp.told(format(:'risky', 'fail'), '{"risky": {"error": "no"}}');

-- What was completed is compensated; a compensation has a stub of its own.
SELECT pg_temp.told($$
kind: Playbook
timeout: 1 hour
workflow:
- {step: book, type: python, code: x, compensate: {type: python, code: y}, next: pay}
- {step: pay, type: python, code: x}
$$, '{"pay": {"error": "no money"}, "book.compensate": {"result": "undone", "after": "2 hours"}}', '{action_started,task}');

-- Joins and cycles: a list has a result for each visit, the last one for all further.
SELECT $$
kind: Playbook
workload: {pages: []}
workflow:
- step: start
  next: [left, right]
- {step: left, type: python, code: x, next: both}
- {step: right, type: python, code: x, next: both}
- {step: both, type: router, next: poll}
- step: poll
  type: http
  url: "https://x.example/?seen={{ poll.next if poll is defined else 0 }}"
  max_visits: 4
  next:
  - when: "{{ poll.next }}"
    then: poll
  - else: end
- step: end
  result: "{{ [left, right, poll] }}"
$$ AS cycle \gset
SELECT seq, event_type, step, data -> 'visit' AS visit, data -> 'action' ->> 'url' AS url, data -> 'result' AS result
  FROM noetl.simulate(:'cycle', '{}', '{"left": 1, "right": {"result": 2, "after": 5}, "poll": [{"next": 1}, {"next": 2}, {"last": true}]}')
 WHERE event_type NOT IN ('step_started', 'action_started');
SELECT event_type, step, data -> 'visit' AS visit, data ->> 'error' AS error
  FROM noetl.simulate(:'cycle', '{}', '{"poll": {"next": 9}}') WHERE step = 'poll' AND event_type LIKE 'step_%' OR event_type LIKE 'exec%';

-- Side by side: what follows page 1 sees page 1, although page 3 has come meanwhile.
SELECT to_char(at, 'HH24:MI') AS at, event_type, data -> 'visit' AS visit, data -> 'action' -> 'data' AS data FROM noetl.simulate($$
kind: Playbook
workflow:
- step: fetch
  type: http
  url: "https://x.example/"
  next:
  - when: "{{ result.page < 3 }}"
    then: [store, fetch]
  - else: store
- step: store
  type: python
  code: x
  args: {page: "{{ fetch.page }}"}
  next: tell
- {step: tell, type: python, code: x, args: {page: "{{ fetch.page }}"}}
$$, '{}', '{"fetch": [{"page": 1}, {"page": 2}, {"page": 3}], "store": {"after": "1 hour"}}', '2026-03-01') WHERE event_type = 'task' AND step = 'tell';

-- A playbook that goes on for ever comes to an end all the same.
SELECT count(*), max(seq), max(data ->> 'reason') FROM noetl.simulate($$
kind: Playbook
workflow:
- step: tick
  type: wait
  for: 1 day
  next: tick
  max_visits: 1000000
$$);

-- So does one whose rows are large.
SELECT count(*) < 1000 AS few, max(data ->> 'reason') FROM noetl.simulate($$
kind: Playbook
workload: {x: "{{ 'abcdefghij' * 100000 }}"}
workflow:
- {step: tick, type: python, code: x, args: {x: "{{ x }}"}, next: tick}
$$);

-- So does one that takes a thousand years; it may begin in any.
SELECT at > '2990-01-01' AS far, event_type, data ->> 'reason' AS reason
  FROM noetl.simulate('{kind: Playbook, workflow: [{step: nap, type: wait, for: 99 years, next: nap}]}', '{}', '{}', '2026-01-01') ORDER BY seq DESC LIMIT 2;
SELECT at, event_type, step FROM noetl.simulate(format(:'risky', 'continue'), '{}', '{"risky": {"after": 60}}', '1066-10-14') WHERE event_type LIKE '%complete%';

-- Time never goes back, whichever execution a row is about.
SELECT count(*) > 20 AS many, bool_and(at >= earlier) AS in_order
  FROM (SELECT at, lag(at, 1, '-infinity') OVER (ORDER BY seq) AS earlier FROM noetl.simulate($$
kind: Playbook
workflow:
- {step: start, next: [a, b, c]}
- {step: a, type: python, code: x, retry: {max_attempts: 3, initial_delay: 60, jitter: true}}
- {step: b, type: wait, for: 30}
- step: c
  type: playbook
  content:
    kind: Playbook
    workflow:
    - {step: load, type: sql, statement: SELECT 1, next: [x, y]}
    - {step: x, type: python, code: x}
    - {step: y, type: wait, for: 90}
$$, '{}', '{"a": {"error": "no"}, "c/load": {"after": 20}, "c/x": {"after": "1 hour"}}')) AS r;

-- Iterators: a worker's comes to its stub as a whole, an item that is a task or a child
-- to an element of the list.
SELECT $$
kind: Playbook
workflow:
- step: each
  type: iterator
  collection: [3, 4, 5]
  element: n
  mode: %s
  task: %s
  next: end
- step: end
  result: "{{ each.results }}"
$$ AS each \gset
SELECT event_type, data -> 'result' AS result FROM noetl.simulate(format(:'each', 'sequential', '{type: python, code: x, args: {n: "{{ n }}"}}'),
  '{}', '{"each": {"status": "success", "data": [6, 8, 10]}}') WHERE event_type IN ('task', 'action_completed', 'execution_complete');
SELECT event_type, step, data -> 'item' AS item, data -> 'action' -> 'data' AS data, data -> 'result' AS result, data ->> 'error' AS error
  FROM noetl.simulate(format(:'each', 'distributed', '{type: python, code: x, args: {n: "{{ n }}"}, retry: {max_attempts: 2, initial_delay: 1}}'),
  '{}', '{"each": [6, [{"error": "once"}, 8], 10]}') WHERE event_type NOT IN ('action_started', 'iteration_started');
SELECT event_type, step, data -> 'item' AS item, data -> 'result' AS result
  FROM noetl.simulate(format(:'each', 'sequential', '{type: playbook, path: no/such, args: {n: "{{ n }}"}}'),
  '{}', '{"each": [6, 8, {"result": 10, "after": "1 day"}]}') WHERE event_type NOT IN ('action_started');

-- Children: an inline one, one of the catalog, one by its stub, one that does not exist.
ROLLBACK;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: sim/child
workload: {n: 1}
workflow:
- {step: double, type: python, code: x, args: {n: "{{ n }}"}, next: end}
- {step: end, result: "{{ double }}"}
$$) > 0 AS registered;
SELECT $$
kind: Playbook
workflow:
- step: call
  type: playbook
  %s
  args: {n: 21}
  timeout: 1 hour
  next: end
- step: end
  result: "{{ call }}"
$$ AS call \gset
SELECT event_type, step, data -> 'workload' AS workload, data -> 'action' -> 'data' AS data, data -> 'result' AS result
  FROM noetl.simulate(format(:'call', 'path: sim/child'), '{}', '{"call/double": 42}');
SELECT event_type, step, data -> 'result' AS result, data ->> 'error' AS error
  FROM noetl.simulate(format(:'call', 'content: {kind: Playbook, workflow: [{step: inner, type: shell, command: x}]}'), '{}', '{"call/inner": 43}');
SELECT event_type, step, data -> 'result' AS result, data ->> 'error' AS error
  FROM noetl.simulate(format(:'call', 'path: no/such'), '{}', '{"call": 44}');
SELECT event_type, step, data ->> 'error' AS error FROM noetl.simulate(format(:'call', 'path: no/such'));
SELECT event_type, step, data ->> 'error' AS error FROM noetl.simulate(format(:'call', 'path: sim/child'), '{}', '{"call": {"error": "busy"}}');
-- Who may not read the catalog needs a stub; who may not start the child does not start it.
CREATE ROLE sim_author;
GRANT USAGE ON SCHEMA noetl TO sim_author;
GRANT EXECUTE ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz) TO sim_author;
SET ROLE sim_author;
SELECT event_type, step, data ->> 'error' AS error FROM noetl.simulate(format(:'call', 'path: sim/child'));
SELECT event_type, step, data ->> 'error' AS error FROM noetl.simulate(format(:'call', 'path: sim/child'), '{}', '{"call": 9}');
RESET ROLE;
GRANT SELECT ON noetl.catalog TO sim_author;
SELECT noetl.revoke_execute('sim/child', 'public');
SET ROLE sim_author;
SELECT event_type, step, data ->> 'error' AS error FROM noetl.simulate(format(:'call', 'path: sim/child'));
RESET ROLE;
SELECT noetl.grant_execute('sim/child', 'public');
SET ROLE sim_author;
SELECT event_type, step, data ->> 'error' AS error FROM noetl.simulate(format(:'call', 'path: sim/child')) WHERE event_type LIKE 'execution%';
RESET ROLE;
DROP OWNED BY sim_author;
DROP ROLE sim_author;

-- The child is cancelled when the step that called it has taken too long.
SELECT event_type, step, status, data ->> 'error' AS error
  FROM noetl.simulate(format(:'call', 'path: sim/child'), '{}', '{"call/double": {"after": "2 hours"}}') WHERE event_type NOT IN ('task', 'action_started');

-- The execution goes on, and what the cancelled child would have done does not happen.
SELECT event_type, step, status FROM noetl.simulate($$
kind: Playbook
workflow:
- step: call
  type: playbook
  content: {kind: Playbook, timeout: 90 min, workflow: [{step: slow, type: python, code: x}]}
  timeout: 1 hour
  on_error: continue
  next: nap
- {step: nap, type: wait, for: 3 hours}
$$, '{}', '{"call/slow": {"after": "2 hours"}}') WHERE event_type NOT IN ('task', 'action_started');
-- A child that is given up in the moment in which it is started does not begin.
SELECT event_type, step, data -> 'item' AS item, data ->> 'error' AS error FROM noetl.simulate($$
kind: Playbook
workflow:
- step: each
  type: iterator
  collection: [1, 0]
  element: n
  mode: async
  concurrency: 2
  task: {type: playbook, path: sim/child, args: {n: "{{ 10 // n }}"}}
  on_error: {step: mend}
- {step: mend, type: python, code: x}
$$) WHERE event_type <> 'task';

-- Saves and statements of SQL are never executed; a stub has their rows.
SELECT $$
kind: Playbook
workload: {who: ann}
workbook:
- {name: greet, type: python, code: x, args: {who: "{{ who }}"}}
workflow:
- step: start
  next: hello
- step: hello
  type: workbook
  task: greet
  next: find
- step: find
  type: sql
  statement: SELECT id FROM sim_missing WHERE name = :who
  params: {who: "{{ who }}"}
  retry: 2
  next: keep
- step: keep
  type: save
  retry: {max_attempts: 2, initial_delay: 1}
  save: {storage: postgres, table: sim_missing, data: {id: "{{ find[0].id }}", greeting: "{{ hello }}"}}
  next: end
- step: end
  result: "{{ find }}"
$$ AS tables \gset
SELECT seq, event_type, step, data - 'meta' AS data FROM noetl.simulate(:'tables', '{}', '{"hello": "hi", "find": [{"id": 5}, {"id": 6}]}');
SELECT event_type, step, data ->> 'error' AS error, data -> 'result' AS result
  FROM noetl.simulate(:'tables', '{}', '{"find": [{"error": "deadlock detected"}, [{"id": 7}]], "keep": {"error": "disk full"}}')
 WHERE event_type <> 'task';
SELECT event_type, step, data ->> 'error' AS error, data -> 'action' -> 'data' AS data
  FROM noetl.simulate(:'tables', '{}', '{"find": {"id": 8}, "keep": [{"error": "disk full"}, {}]}') WHERE step = 'keep' OR step IS NULL;
SELECT event_type, step, data -> 'item' AS item, data -> 'action' AS action, data -> 'result' AS result
  FROM noetl.simulate(format(:'each', 'distributed', '{type: sql, statement: SELECT n FROM sim_missing WHERE n = :n, params: {n: "{{ n }}"}, save: {storage: postgres, table: sim_missing, data: {n: "{{ result }}"}}}'),
  '{}', '{"each": [[{"n": 3}], {"error": "gone"}, {"n": 5}]}');
SELECT to_regclass('sim_missing') IS NULL AS nothing_created, (SELECT count(*) FROM noetl.execution) = :executions AS executions,
       (SELECT count(*) FROM noetl.event) = :events AS events, (SELECT count(*) FROM noetl.catalog WHERE path LIKE 'sim/%') AS playbooks;

-- What is told is what happens: the same playbook, with a worker, writes the same events.
SELECT noetl.register(:'cycle', 'sim/cycle') > 0 AS registered;
DO $$
DECLARE
    id bigint := noetl.execute('sim/cycle');
    task record;
    polls int := 0;
BEGIN
    PERFORM set_config('sim.id', id::text, false);
    FOR i IN 1..10 LOOP
        FOR task IN SELECT l.queue_id, l.node_name FROM noetl.lease('w', 10) AS l LOOP
            IF task.node_name = 'poll' THEN polls := polls + 1; END IF;
            PERFORM noetl.complete(task.queue_id, CASE task.node_name WHEN 'left' THEN '1' WHEN 'right' THEN '2'
                ELSE CASE polls WHEN 3 THEN '{}' ELSE format('{"next": %s}', polls) END END::jsonb, 'w');
        END LOOP;
    END LOOP;
END
$$;
WITH real AS (SELECT row_number() OVER (ORDER BY created_at) AS n, event_type, status, node_name AS step
                FROM noetl.event WHERE execution_id = current_setting('sim.id')::bigint),
     played AS (SELECT row_number() OVER (ORDER BY seq) AS n, event_type, status, coalesce(step, 'sim/cycle') AS step
                  FROM noetl.simulate(:'cycle', '{}', '{"left": 1, "right": 2, "poll": [{"next": 1}, {"next": 2}, {}]}')
                 WHERE event_type NOT IN ('task', 'action_started'))
SELECT real, played FROM real FULL JOIN played USING (n) WHERE (real) IS DISTINCT FROM (played);
SELECT * FROM noetl.verify(current_setting('sim.id')::bigint);

-- Twenty steps take less than 10 ms; the smallest of twenty times counts.
SELECT E'kind: Playbook\nworkflow:\n' || string_agg(format(E'- {step: s%s, type: python, code: x, retry: {max_attempts: 3, initial_delay: 259200, max_delay: 259200}, next: s%s}\n', n, n + 1), '' ORDER BY n) ||
       '- {step: s20, type: python, code: x}' AS twenty FROM generate_series(1, 19) AS n \gset
CREATE FUNCTION pg_temp.fastest(content text) RETURNS interval LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz;
    fastest interval;
BEGIN
    FOR i IN 1..20 LOOP
        begun := clock_timestamp();
        PERFORM * FROM noetl.simulate(content, '{}', '{"s7": [{"error": "x"}, {}]}');
        fastest := least(fastest, clock_timestamp() - begun);
    END LOOP;
    RETURN fastest;
END
$$;
SELECT pg_temp.fastest(:'twenty') < '10 ms' AS fast;

-- Words for times are those of the simulation's clock.
SELECT u, (SELECT at AT TIME ZONE 'UTC' FROM noetl.simulate(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: words\nworkflow: [{step: nap, type: wait, for: 1 day, next: w}, {step: w, type: wait, until: "%s"}]', u), at => '2031-02-27 20:30:00.5Z')
           WHERE step = 'w' AND event_type = 'step_completed') AS ends
  FROM unnest(ARRAY['now', 'today', 'yesterday 22:00', 'TOMORROW 09:00 UTC', 'tomorrow12:00+02']) AS u;
-- What is wrong is said as noetl.register() says it, or names the argument.
SELECT * FROM noetl.simulate('kind: Playbook');
SELECT * FROM noetl.simulate(:'shop', '[1]');
SELECT * FROM noetl.simulate(:'shop', '{}', '{"prise": 1}');
SELECT * FROM noetl.simulate(:'shop', '{}', '{"price": [{"after": "soon"}]}');
SELECT * FROM noetl.simulate(:'shop', '{}', '{"price": {"error": false}}');
SELECT * FROM noetl.simulate(:'shop', '{}', '{"price": {"signal": [1]}}');
SELECT * FROM noetl.simulate(:'shop', '{}', '{"price": [{"signal": true, "key": {}}]}');
SELECT * FROM noetl.simulate(:'shop', '{}', '[]');
SELECT * FROM noetl.simulate(:'shop', '{}', '{}', 'infinity');
SELECT * FROM noetl.simulate(:'shop', '{}', '{}', '10000-01-02');
SELECT * FROM noetl.simulate(NULL);
