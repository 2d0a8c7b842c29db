-- Signals to whoever waits for a key; who may send them; waiting for an end.

CREATE FUNCTION fails(statement text, OUT state text, OUT message text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    message := regexp_replace(message, '\d{10,}', 'N', 'g');
END
$$;

-- Keys: senders that know no execution.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: signals/order
workload: {order: 0, also: null}
workflow:
- {step: start, next: paid}
- {step: paid, type: wait, signal: "{{ ['paid', workload.also] if workload.also else 'paid' }}", key: "{{ workload.order }}", accept: "{{ not signal.data.refused }}", next: shipped}
- {step: shipped, type: wait, signal: shipped, key: "o-{{ workload.order }}", next: end}
- {step: end, result: "{{ paid }}"}
$$) > 0 AS registered;
SELECT noetl.execute('signals/order', '{"order": 1}') AS a \gset
SELECT noetl.execute('signals/order', '{"order": 1, "also": "free"}') AS b \gset
SELECT noetl.execute('signals/order', '{"order": 2}') AS c \gset
SELECT step, signals, key FROM noetl.waiting ORDER BY execution_id;
SELECT noetl.send('paid', '3') AS nobody, noetl.send('paid', '1', '{"refused": true}') AS refused;
SELECT noetl.send('paid', '1', '{"by": "card"}') AS two;
SELECT noetl.send('paid', '1', '{"by": "cash"}') AS nobody;
-- A signal to an execution ends its wait whatever the key is, unless the signal names one.
INSERT INTO noetl.event (execution_id, event_type, node_name, context) VALUES (:c, 'signal_received', 'paid', '{"key": "7"}');
SELECT step FROM noetl.waiting WHERE execution_id = :c;
SELECT noetl.signal(:c, 'paid', '{"by": "hand"}');
SELECT step, key FROM noetl.waiting ORDER BY execution_id;
SELECT context, meta ->> 'sent_by' = current_user AS mine FROM noetl.event WHERE execution_id = :a AND event_type = 'signal_received';
-- Kept for the first that waits; once.
SELECT noetl.send('paid', '5', '{"by": "early"}', '1 hour') AS kept, noetl.send('paid', '5', '{"refused": true}', '1 hour') AS kept, noetl.send('paid', '5', '{"by": "second"}', '1 hour') AS kept;
SELECT name, key, data, id, sent_by::text = current_user AS mine, expires_at - sent_at AS keep, taken FROM noetl.message ORDER BY message_id;
SELECT noetl.execute('signals/order', '{"order": 5}') AS d \gset
SELECT noetl.execute('signals/order', '{"order": 5}') AS e \gset
SELECT noetl.execute('signals/order', '{"order": 5}') AS f \gset
SELECT execution_id = :d AS d, execution_id = :e AS e, execution_id = :f AS f, step, key FROM noetl.waiting WHERE execution_id IN (:d, :e, :f) ORDER BY execution_id;
SELECT result -> 'data' AS data, result ->> 'sent_by' = current_user AS mine FROM noetl.event WHERE execution_id IN (:d, :e) AND event_type = 'step_completed' ORDER BY execution_id;
SELECT name, data FROM noetl.message;
-- The same id again has no effect, whether the message is kept or taken.
SELECT noetl.send('paid', '6', NULL, '1 hour', 'm1') AS kept, noetl.send('paid', '6', NULL, '1 hour', 'm1') AS kept;
SELECT noetl.execute('signals/order', '{"order": 6}') AS g \gset
SELECT noetl.execute('signals/order', '{"order": 6}') AS h \gset
SELECT noetl.send('paid', '6', NULL, NULL, 'm1') AS known, noetl.send('paid', '6', NULL, NULL, 'm2') AS one, noetl.send('paid', '6', NULL, NULL, 'm2') AS known;
SELECT name, key, id, taken, expires_at - sent_at AS remembered FROM noetl.message WHERE id IS NOT NULL ORDER BY message_id;
-- What has expired is not given to anybody, and is deleted by the next sender.
SELECT noetl.send('paid', '9', NULL, '10 ms') AS kept;
SELECT pg_sleep(0.02);
SELECT noetl.execute('signals/order', '{"order": 9}') AS i \gset
SELECT step FROM noetl.waiting WHERE execution_id = :i;
SELECT noetl.send('paid', 'none');
SELECT count(*) FROM noetl.message WHERE key = '9';
SELECT * FROM fails('SELECT noetl.send(''paid'', ''1'', NULL, ''-1 s'')');
SELECT noetl.send('paid', 'none', NULL, '0') AS not_kept, (SELECT count(*) FROM noetl.message WHERE key = 'none') AS kept;
SELECT * FROM fails('SELECT noetl.send(''paid'', NULL)');
SELECT * FROM fails('SELECT noetl.send('''', ''x'')');
SELECT * FROM fails('SELECT noetl.send(''paid'', repeat(''k'', 1000))');
-- A cycle of waits takes what was kept, one after the other.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: signals/queue
workflow:
- {step: start, next: take}
- {step: take, type: wait, signal: item, key: q, next: [{when: "{{ result == 2000 }}", then: [end]}, {else: [take]}]}
- {step: end, result: "{{ take }}"}
$$) > 0 AS registered;
SELECT sum(noetl.send('item', 'q', to_jsonb(i), '1 day')) AS delivered FROM generate_series(1, 2000) i;
SELECT noetl.execute('signals/queue') AS q \gset
SELECT status, result FROM noetl.execution WHERE execution_id = :q;
SELECT count(*) AS kept FROM noetl.message WHERE name = 'item';
SELECT count(*) AS differences FROM noetl.execution x CROSS JOIN LATERAL noetl.verify(x.execution_id) WHERE x.path LIKE 'signals/%';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'signals/order' AND status = 'RUNNING';

-- Who may: members of the role of the execution.
CREATE ROLE signals_owner;
CREATE ROLE signals_member IN ROLE signals_owner;
CREATE ROLE signals_other;
GRANT EXECUTE ON FUNCTION noetl.execute, noetl.cancel TO signals_owner;
GRANT EXECUTE ON FUNCTION noetl.signal(bigint, text, jsonb, text), noetl.send(text, text, jsonb, interval, text) TO signals_member, signals_other;
GRANT SELECT ON noetl.waiting, noetl.message TO signals_member, signals_other;
GRANT INSERT ON noetl.event TO signals_other;
SET ROLE signals_owner;
SELECT noetl.execute('signals/order', '{"order": 88}') AS x \gset
SELECT noetl.execute('signals/order', '{"order": 88}') AS y \gset
SELECT * FROM fails(format('SELECT noetl.signal(%s, ''paid'')', :x));
SET ROLE signals_other;
SELECT * FROM fails(format('SELECT noetl.signal(%s, ''paid'')', :x));
SELECT * FROM fails(format('INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (%s, ''signal_received'', ''paid'')', :x));
SELECT noetl.send('paid', '88', NULL, '1 hour', 'id') AS "foreign", (SELECT count(*) FROM noetl.waiting) AS waiting;
SELECT count(*) AS own FROM noetl.message;
-- A role that may only signal: EXECUTE, and membership.
SET ROLE signals_member;
SELECT count(*) AS waiting, (SELECT count(*) FROM noetl.message) AS not_mine FROM noetl.waiting;
SELECT noetl.signal(:x, 'paid') AS ended, noetl.send('paid', '88', NULL, NULL, 'id') AS one;
-- What somebody else has sent is not for executions that are not theirs.
SET ROLE signals_owner;
SELECT noetl.execute('signals/order', '{"order": 88}') AS z \gset
RESET ROLE;
SELECT step FROM noetl.waiting WHERE execution_id = :z;
GRANT signals_owner TO signals_other;
SET ROLE signals_owner;
SELECT noetl.execute('signals/order', '{"order": 88}') AS w \gset
RESET ROLE;
SELECT step FROM noetl.waiting WHERE execution_id = :w;
SELECT result ->> 'sent_by' AS sent_by FROM noetl.event WHERE execution_id IN (:x, :w) AND event_type = 'step_completed' ORDER BY execution_id;
SELECT count(*) AS differences FROM noetl.execution x CROSS JOIN LATERAL noetl.verify(x.execution_id) WHERE x.path LIKE 'signals/%';
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path LIKE 'signals/%' AND status = 'RUNNING';
DELETE FROM noetl.message;
DELETE FROM noetl.event WHERE execution_id IN (:x, :y, :z, :w);
DELETE FROM noetl.workload WHERE execution_id IN (:x, :y, :z, :w);
DELETE FROM noetl.execution WHERE execution_id IN (:x, :y, :z, :w);
DROP OWNED BY signals_member, signals_other, signals_owner;
DROP ROLE signals_member, signals_other, signals_owner;

-- A statement of an execution sends: to its waits that are open still, each once; not to the wait that led to it.
CREATE ROLE signals_sender;
GRANT USAGE ON SCHEMA noetl TO signals_sender;
GRANT EXECUTE ON FUNCTION noetl.execute, noetl.send TO signals_sender;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: signals/baton
workflow:
- {step: start, next: [turn, news]}
- {step: turn, type: wait, signal: turn, key: baton, next: pass}
- {step: news, type: wait, signal: news, key: baton, next: read}
- step: pass
  type: sql
  statement: >
    SELECT noetl.send('turn', 'baton', '2', '1 hour') AS turn, noetl.send('news', 'baton', '"a"') AS news,
           noetl.send('news', 'baton', '"b"', '1 hour') AS more
  next: done
- {step: read, type: python, code: x, data: "{{ news }}"}
- {step: done, type: python, code: x, data: "{{ pass[0] }}"}
$$) > 0 AS registered;
SET ROLE signals_sender;
SELECT noetl.execute('signals/baton') AS x \gset
SELECT noetl.send('turn', 'baton', '1') AS one;
RESET ROLE;
SELECT name, data FROM noetl.message WHERE key = 'baton' ORDER BY message_id;
SELECT count(*) FROM noetl.signal WHERE execution_id = :x;
SELECT step, input FROM work();
SELECT event, node FROM story('signals/baton');
SELECT * FROM noetl.verify(:x);
-- What it has kept is there for the next execution.
DELETE FROM noetl.message WHERE name = 'news';
SET ROLE signals_sender;
SELECT noetl.execute('signals/baton') AS y \gset
RESET ROLE;
SELECT name, data FROM noetl.message WHERE key = 'baton' ORDER BY message_id;
SELECT step, input FROM work();
SELECT * FROM noetl.verify(:y);
-- A wait that has just begun gets the signal of a row that the next step inserts, also where what was sent to it
-- before is undone.
CREATE TABLE signals_rows (k text);
GRANT INSERT ON signals_rows TO signals_sender;
SELECT noetl.on_change('signals_rows', NULL, 'INSERT', key => '{{ new.k }}', parameters => '{"k": "{{ new.k }}"}', signal => 'row', name => 'signals');
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: signals/row
workflow:
- {step: start, next: [row, fails]}
- {step: row, type: wait, signal: row, key: mine, next: read}
- {step: fails, type: sql, statement: "SELECT 1 / (noetl.send('row', 'mine') - 1)", on_error: {step: insert}}
- {step: insert, type: sql, statement: "INSERT INTO public.signals_rows VALUES ('mine')"}
- {step: read, type: python, code: x, data: "{{ row }}"}
$$) > 0 AS registered;
SET ROLE signals_sender;
SELECT noetl.execute('signals/row') AS z \gset
RESET ROLE;
SELECT step, input FROM work();
SELECT event, node FROM story('signals/row') WHERE event ~ 'signal|step_(started|failed)';
SELECT * FROM noetl.verify(:z);
SELECT noetl.off_change('signals');
DROP TABLE signals_rows;
DELETE FROM noetl.message;
DELETE FROM noetl.event WHERE execution_id IN (:x, :y, :z);
DELETE FROM noetl.workload WHERE execution_id IN (:x, :y, :z);
DELETE FROM noetl.execution WHERE execution_id IN (:x, :y, :z);
DROP OWNED BY signals_sender;
DROP ROLE signals_sender;

-- Until an execution is over: start it and wait for it.
SELECT noetl.execute('signals/queue') AS x \gset
CALL noetl.wait_for_execution(:x, '10 ms');
SELECT noetl.signal(:x, 'item', '2000');
CALL noetl.wait_for_execution(:x) \gset
SELECT :'outcome'::jsonb ->> 'status' AS status, :'outcome'::jsonb -> 'result' AS result;
CALL noetl.wait_for_execution(1);
CALL noetl.wait_for_execution(NULL);
BEGIN;
CALL noetl.wait_for_execution(0);
ROLLBACK;
DROP FUNCTION fails(text);
