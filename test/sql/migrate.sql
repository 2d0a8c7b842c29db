-- A running execution goes on with another version of its playbook.
SET client_min_messages = error;

CREATE FUNCTION migrate_work(answers jsonb DEFAULT '{}', tasks int DEFAULT 100)
RETURNS TABLE (step text, action jsonb, wrong bigint)
LANGUAGE plpgsql AS $$
DECLARE
    task noetl.queue;
BEGIN
    FOR i IN 1 .. tasks LOOP
        SELECT * INTO task FROM noetl.lease('tester');
        EXIT WHEN NOT FOUND;
        step := regexp_replace(task.node_id, '^\d+:', '');
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
CREATE FUNCTION migrate_end(playbook text) RETURNS TABLE (status text, version int, error text, result jsonb, wrong bigint) LANGUAGE sql AS $$
    SELECT status, version, error, result, (SELECT count(*) FROM noetl.verify(execution_id)) FROM noetl.execution WHERE execution_id = newest(playbook)
$$;
CREATE FUNCTION migrate_error(playbook text, version int DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.migrate(newest(playbook), version);
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{9,}', '<id>');
END
$$;

SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/order
workflow:
- {step: start, next: [pay, pick, ask]}
- {step: pay, type: http, url: v1, args: {n: 1}, next: done}
- {step: pick, type: http, url: v1, next: pack}
- {step: pack, type: http, url: "v1 {{ pick.nr }}", next: done}
- {step: ask, type: http, url: v1, on_error: hold, next: done}
- {step: done, type: http, url: "v1 {{ pay.nr }}", next: end}
- {step: end, result: {version: 1}}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/order') > 0 AS started;
SELECT migrate_error('migrate/order'), migrate_error('migrate/order', 7);
SELECT migrate_error('migrate/order', 0);
SELECT * FROM migrate_work('{"pay": {"nr": 3}, "pick": {"nr": 4}, "ask": {"fail": "nobody there"}}', 3);
-- Version 2: ask is asked otherwise, pay is called charge, pack is called ship.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/order
workflow:
- {step: start, next: [charge, pick, question]}
- {step: charge, type: http, url: v2, args: {n: 1}, next: done}
- {step: pick, type: http, url: v2, next: ship}
- {step: ship, type: http, url: "v2 {{ pick.nr }}", next: done}
- {step: question, type: http, url: "v2 {{ workload.who | default('you') }}", on_error: hold, next: done}
- {step: done, type: http, url: "v2 {{ charge.nr }} {{ pick.nr }}", next: end}
- {step: end, result: {version: 2, paid: "{{ charge.nr }}"}}
$$) > 0 AS registered;
SELECT * FROM noetl.migrate(newest('migrate/order'));
SELECT * FROM noetl.migrate(newest('migrate/order'), 2, '{"pay": "charge", "nothing": "pick", "ask": "nothing", "done": 7}', false);
SELECT * FROM noetl.migrate(newest('migrate/order'), step_map => '{"pay": "charge", "pack": "ship", "ask": "question"}');
SELECT * FROM migrate_end('migrate/order');
SELECT node_name FROM noetl.lease('slow');
SELECT * FROM noetl.migrate(newest('migrate/order'), step_map => '{"pay": "charge", "pack": "ship", "ask": "question"}', dry_run => false);
SELECT * FROM migrate_end('migrate/order');
SELECT regexp_replace(node_id, '^\d+:', '') AS node, node_name, status, action ->> 'url' AS url FROM noetl.queue WHERE execution_id = newest('migrate/order');
SELECT step_name, visit, state, arrivals @? '$[*].from ? (@ == "charge")' AS from_charge FROM noetl.run WHERE execution_id = newest('migrate/order') ORDER BY 1;
SELECT event_type, regexp_replace(node_id, '^\d+:?', '') AS node, context - 'catalog_id' AS context, result, meta - 'by' AS meta
  FROM noetl.event WHERE execution_id = newest('migrate/order') AND event_type IN ('execution_migrated', 'step_carried') ORDER BY event_id;
-- All of it follows from the log.
BEGIN;
DELETE FROM noetl.run WHERE execution_id = newest('migrate/order');
DELETE FROM noetl.queue WHERE execution_id = newest('migrate/order');
SELECT noetl.rebuild(newest('migrate/order')) > 0 AS rebuilt;
SELECT * FROM migrate_end('migrate/order');
ROLLBACK;
-- It goes on: who has leased the task completes it, and decisions are those of version 2.
SELECT noetl.complete(queue_id, '{"packed": true}', 'slow') FROM noetl.queue WHERE execution_id = newest('migrate/order');
SELECT * FROM migrate_end('migrate/order');
SELECT noetl.retry(newest('migrate/order'));
SELECT * FROM migrate_work('{}');
SELECT * FROM migrate_end('migrate/order');
SELECT migrate_error('migrate/order', 1);

-- A join that waits for a branch which the new version does not have goes on at once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/join
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: c}
- {step: b, type: http, url: x, next: c}
- {step: c, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/join
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: c}
- {step: b, type: http, url: x, next: end}
- {step: c, type: http, url: "two", next: end}
- {step: end, result: 2}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/join', version => 1) > 0 AS started;
SELECT * FROM migrate_work('{}', 1);
SELECT step_name, state FROM noetl.run WHERE execution_id = newest('migrate/join');
SELECT * FROM noetl.migrate(newest('migrate/join'), dry_run => false);
SELECT node_name FROM noetl.queue WHERE execution_id = newest('migrate/join') ORDER BY 1;
SELECT * FROM migrate_end('migrate/join');
SELECT * FROM migrate_work('{}');
SELECT * FROM migrate_end('migrate/join');

-- Open iterators and children; and back again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/child
workflow:
- {step: start, next: go}
- {step: go, type: http, url: child, next: end}
- {step: end, result: "{{ go }}"}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/items
workflow:
- {step: start, next: [each, kid]}
- {step: each, type: iterator, collection: [1, 2, 3, 4, 5], element: n, concurrency: 2, mode: distributed, task: {type: http, url: "one {{ n }}"}, next: end}
- {step: kid, type: playbook, path: migrate/child, next: end}
- {step: end, result: {items: "{{ each }}", kid: "{{ kid }}"}}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/items
workflow:
- {step: first, type: noop, next: [each, kid]}
- {step: kid, type: playbook, path: migrate/child, next: last}
- {step: each, type: iterator, collection: [9], element: n, concurrency: 5, mode: distributed, task: {type: http, url: "two {{ n }}"}, next: last}
- {step: last, type: http, url: "{{ each | length }}", next: end}
- {step: end, result: {two: true, items: "{{ each }}", kid: "{{ kid }}"}}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/items
workflow:
- {step: start, next: [each, kid]}
- {step: each, type: iterator, collection: [9], element: n, mode: distributed, task: {type: python, code: "result = 1"}, next: end}
- {step: kid, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/items', version => 1) > 0 AS started;
SELECT step, action ->> 'url' AS url, wrong FROM migrate_work('{}', 1);
SELECT * FROM noetl.migrate(newest('migrate/items'));
SELECT * FROM noetl.migrate(newest('migrate/items'), 2, '{"each": "last", "kid": "each"}');
SELECT * FROM noetl.migrate(newest('migrate/items'), 2, dry_run => false);
SELECT * FROM migrate_end('migrate/items');
SELECT max(severity), count(*) FROM noetl.migrate(newest('migrate/items'), 1, dry_run => false);
SELECT * FROM migrate_end('migrate/items');
SELECT max(severity), count(*) FROM noetl.migrate(newest('migrate/items'), 2, dry_run => false);
SELECT step, action ->> 'url' AS url, wrong FROM migrate_work('{"each": 7}', 2);
SELECT severity, message FROM noetl.migrate(newest('migrate/items'), 1, dry_run => false) WHERE severity <> 'info';
SELECT * FROM migrate_end('migrate/items');
SELECT migrate_error('migrate/items', 2);
SELECT step, action ->> 'url' AS url, wrong FROM migrate_work('{"each": 8}');
SELECT * FROM migrate_end('migrate/items');
SELECT noetl.verify(execution_id) FROM noetl.execution WHERE path LIKE 'migrate/%';

-- Waits and signals: one that came before the playbook had a wait is not lost.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/wait
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/wait
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, next: ok}
- {step: ok, type: wait, signal: go, next: more}
- {step: more, type: wait, signal: [go, stop], timeout: 1 h, next: end}
- {step: end, result: ["{{ ok.n }}", "{{ more.n }}"]}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/wait', version => 1) > 0 AS started;
SELECT noetl.signal(newest('migrate/wait'), 'go', '{"n": 1}', 'first'), noetl.signal(newest('migrate/wait'), 'go', '{"n": 1}', 'first');
SELECT count(*) FROM noetl.signal WHERE execution_id = newest('migrate/wait');
SELECT severity, message FROM noetl.migrate(newest('migrate/wait'), 2, dry_run => false) WHERE severity <> 'info';
SELECT name, id, taken FROM noetl.signal WHERE execution_id = newest('migrate/wait');
SELECT * FROM migrate_end('migrate/wait');
SELECT step, wrong FROM migrate_work();
SELECT step_name, state FROM noetl.run WHERE execution_id = newest('migrate/wait');
SELECT severity, step, message FROM noetl.migrate(newest('migrate/wait'), 1, dry_run => false);
SELECT noetl.signal(newest('migrate/wait'), 'stop', '{"n": 2}');
SELECT * FROM migrate_end('migrate/wait');
-- Away from waits, and back: what was taken stays taken.
SELECT noetl.execute('migrate/wait', version => 1) > 0 AS started;
SELECT noetl.signal(newest('migrate/wait'), 'go', '{"n": 1}');
SELECT max(severity) FROM noetl.migrate(newest('migrate/wait'), 2, dry_run => false);
SELECT max(severity) FROM noetl.migrate(newest('migrate/wait'), 1, dry_run => false);
SELECT count(*) FROM noetl.signal WHERE execution_id = newest('migrate/wait');
SELECT * FROM migrate_end('migrate/wait');
SELECT max(severity) FROM noetl.migrate(newest('migrate/wait'), 2, dry_run => false);
SELECT * FROM migrate_end('migrate/wait');
SELECT noetl.signal(newest('migrate/wait'), 'stop', '{"n": 5}');
SELECT step, wrong FROM migrate_work();
SELECT * FROM migrate_end('migrate/wait');

-- Redrive, fork and compensation of what has migrated.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/undo
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, next: b}
- {step: b, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/undo
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, compensate: {type: http, url: undo a}, next: b}
- {step: b, type: http, url: x, compensate: {type: http, url: undo b}, next: c}
- {step: c, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/undo', version => 1) > 0 AS started;
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT severity, message FROM noetl.migrate(newest('migrate/undo'), dry_run => false);
SELECT step, wrong FROM migrate_work('{"b": {"fail": "no"}}');
SELECT * FROM migrate_end('migrate/undo');
SELECT noetl.redrive(newest('migrate/undo'));
SELECT step, wrong FROM migrate_work('{"c": {"fail": "no"}}', 2);
SELECT * FROM migrate_end('migrate/undo');
SELECT severity, step, message FROM noetl.migrate(newest('migrate/undo'), 1);
SELECT step, wrong FROM migrate_work();
SELECT * FROM migrate_end('migrate/undo');
SELECT noetl.fork(newest('migrate/undo'), 'b') > 0 AS forked;
SELECT step, wrong FROM migrate_work();
SELECT * FROM migrate_end('migrate/undo');

-- A step that has started, and a join that has waited for several branches, is in the new version a step that one branch
-- leads to: it would begin twice.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/twice
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: join}
- {step: b, type: http, url: x, next: join}
- {step: join, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/twice
workflow:
- {step: start, next: a}
- {step: a, type: http, url: x, next: b}
- {step: b, type: http, url: x, next: join}
- {step: join, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/twice', version => 1) > 0 AS started;
SELECT * FROM noetl.migrate(newest('migrate/twice'), 2, '{"a": "b", "b": "a"}', false);
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT * FROM noetl.migrate(newest('migrate/twice'), 2, dry_run => false);
SELECT step, wrong FROM migrate_work('{}', 1);
-- Nothing else leads to it any more.
SELECT * FROM noetl.migrate(newest('migrate/twice'), 2, dry_run => false);
SELECT step, wrong FROM migrate_work();
SELECT * FROM migrate_end('migrate/twice');

-- A step that has ended is reported if only the new version leads to it again.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/again
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: end}
- {step: b, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/again
workflow:
- {step: start, next: b}
- {step: b, type: http, url: x, next: a}
- {step: a, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/again', version => 1) > 0 AS started;
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT * FROM noetl.migrate(newest('migrate/again'), 2, dry_run => false);
SELECT step, wrong FROM migrate_work();
SELECT * FROM migrate_end('migrate/again');

-- A step that a live one leads back to in the old version, too, may run again as ever; and
-- one that has no place in the new version leads to nothing there.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/cycle
workflow:
- {step: start, next: [a, c]}
- {step: a, type: http, url: v1, next: b}
- {step: b, type: http, url: v1, next: [{when: "{{ b.again }}", then: a}, end]}
- {step: c, type: http, url: v1, next: end}
- {step: end}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/cycle
workflow:
- {step: start, next: a}
- {step: a, type: http, url: v2, next: b}
- {step: b, type: http, url: v2, next: [{when: "{{ b.again }}", then: a}, end]}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/cycle', version => 1) > 0 AS started;
SELECT step, wrong FROM migrate_work('{}', 2);
SELECT * FROM noetl.migrate(newest('migrate/cycle'), 2, dry_run => true);
SELECT noetl.cancel(newest('migrate/cycle'));
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/left
workflow:
- {step: start, next: p1}
%s
- {step: %s, type: http, url: x, next: end}
- {step: end}
$$, string_agg(format('- {step: p%s, type: http, url: x, next: %s}', i, CASE WHEN i < 30 THEN 'p' || i + 1 ELSE last END), E'\n' ORDER BY i), last)) > 0 AS registered
  FROM generate_series(1, 30) i, unnest(ARRAY['old', 'new']) last GROUP BY last ORDER BY last DESC;
SELECT noetl.execute('migrate/left', version => 1) > 0 AS started;
SELECT count(*), sum(wrong) FROM migrate_work('{}', 30);
SELECT * FROM noetl.migrate(newest('migrate/left'), 2);
SELECT noetl.cancel(newest('migrate/left'));

-- A step that a live one leads to, and that is live itself, would begin twice, unless it may: in
-- a cycle, or where any branch begins it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/doubly
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: end}
- {step: b, type: http, url: x, next: end}
- {step: end}
$$) AS one, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/doubly
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: b}
- {step: b, type: http, url: x, next: end}
- {step: end}
$$) AS leads, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/doubly
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: [{when: "{{ a.b }}", then: b}, end]}
- {step: b, type: http, url: x, next: [{when: "{{ b.a }}", then: a}, end]}
- {step: end}
$$) AS cycle, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/doubly
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: b}
- {step: b, join: any, type: http, url: x, next: end}
- {step: end}
$$) AS any_branch \gset
SELECT noetl.execute('migrate/doubly', version => 1) > 0 AS started;
SELECT version, m.severity, m.step, m.message FROM generate_series(2, 4) version, noetl.migrate(newest('migrate/doubly'), version) m WHERE severity <> 'info';
SELECT noetl.cancel(newest('migrate/doubly'));

-- What a child without a result tells its parent is the value of its last step with an
-- action, among the steps of the version that it has ended with.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/last
workflow:
- {step: start, next: [a, old, b]}
- {step: a, type: http, url: x, next: c}
- {step: old, type: http, url: x, next: c}
- {step: b, type: http, url: x, on_error: {step: c}, next: c}
- {step: c}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/last
workflow:
- {step: start, next: [a, b]}
- {step: a, type: http, url: x, next: c}
- {step: b, type: http, url: x, on_error: {step: c}, next: c}
- {step: c}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/last_parent
workflow:
- {step: call, type: playbook, path: migrate/last, version: 1, next: end}
- {step: end, result: "{{ call }}"}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/last_parent') > 0 AS started;
SELECT step, wrong FROM migrate_work('{"a": {"of": "a"}, "old": {"of": "old"}}', 2);
SELECT * FROM noetl.migrate(newest('migrate/last'), 2, dry_run => false);
SELECT step, wrong FROM migrate_work('{"b": {"fail": "nobody there"}}');
SELECT * FROM migrate_end('migrate/last');
SELECT * FROM migrate_end('migrate/last_parent');
-- A log that somebody has changed: a migration that has lost its map, or all of its context,
-- ends no session.
SELECT newest('migrate/last') AS id \gset
BEGIN;
UPDATE noetl.event SET context = context - 'step_map' WHERE execution_id = :id AND event_type = 'execution_migrated';
SELECT count(*) > 0 AS found FROM noetl.verify(:id);
UPDATE noetl.event SET context = context || '{"step_map": 5}' WHERE execution_id = :id AND event_type = 'execution_migrated';
SELECT count(*) > 0 AS found FROM noetl.verify(:id);
\set VERBOSITY sqlstate
UPDATE noetl.event SET context = NULL WHERE execution_id = :id AND event_type = 'execution_migrated';
SELECT count(*) > 0 AS found FROM noetl.verify(:id);
ROLLBACK;

-- An execution that goes on with a version without limits gives its slot up: the next one begins.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/slot
workflow:
- {step: a, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS without, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/slot
limits: [{name: migrate/slot, concurrency: 1}]
workflow:
- {step: a, type: http, url: x, next: end}
- {step: end}
$$) > 0 AS with_limit;
SELECT noetl.execute('migrate/slot') AS first, noetl.execute('migrate/slot') AS next \gset
SELECT status FROM noetl.execution WHERE execution_id IN (:first, :next) ORDER BY execution_id;
SELECT * FROM noetl.migrate(:first, 1, dry_run => false);
SELECT execution_id = :next AS of_the_next, held FROM noetl.slot;
SELECT x.version, x.status, v AS wrong FROM noetl.execution x LEFT JOIN LATERAL noetl.verify(x.execution_id) v ON true
 WHERE execution_id IN (:first, :next) ORDER BY execution_id;
SELECT count(*), sum(wrong) FROM migrate_work('{}', 30);
SELECT status FROM noetl.execution WHERE execution_id IN (:first, :next) ORDER BY execution_id;
SELECT count(*) FROM noetl.slot;

-- When it had its slot is not a matter of its log, also after that.
SELECT noetl.execute('migrate/slot') AS first, noetl.execute('migrate/slot') AS next \gset
SELECT count(*), sum(wrong) FROM migrate_work('{}', 1);
SELECT noetl.enqueue_next() > 0 AS begun;
SELECT status, run_at < 'infinity' AS later FROM noetl.execution WHERE execution_id IN (:first, :next) ORDER BY execution_id;
SELECT * FROM noetl.migrate(:next, 1, dry_run => false);
SELECT noetl.verify(:next);
SELECT count(*), sum(wrong) FROM migrate_work('{}', 30);
SELECT status FROM noetl.execution WHERE execution_id = :next;

-- What a queued or leased task descends from keeps its place when its steps are renamed, once or several times: the
-- branch of a later round begins a step that one branch of each round begins.
CREATE FUNCTION migrate_tasks(playbook text) RETURNS TABLE (node text, input jsonb) LANGUAGE sql AS $$
    SELECT regexp_replace(node_id, '^\d+:', ''), action -> 'data' FROM noetl.queue WHERE execution_id = newest(playbook) ORDER BY node_id
$$;
CREATE FUNCTION migrate_rebuilt(playbook text) RETURNS bigint LANGUAGE sql AS $$
    DELETE FROM noetl.run WHERE execution_id = newest(playbook);
    DELETE FROM noetl.queue WHERE execution_id = newest(playbook) AND status <> 'leased';
    SELECT noetl.rebuild(newest(playbook));
    SELECT count(*) FROM noetl.verify(newest(playbook))
$$;
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/any
workflow:
- {step: start, next: [a, b]}
- {step: a, next: %1$s}
- {step: b, next: %1$s}
- {step: %1$s, join: any, type: python, code: x, next: w}
- {step: w, type: python, code: x, next: [{when: "{{ result.again }}", then: %1$s}]}
$$, name)) ORDER BY name) FROM unnest('{j,k,m}'::text[]) AS name;
SELECT noetl.execute('migrate/any', version => 1) > 0 AS started;
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT max(severity) FROM noetl.migrate(newest('migrate/any'), 2, '{"j": "k"}', false);
SELECT migrate_rebuilt('migrate/any') AS wrong;
SELECT step, wrong FROM migrate_work('{"w": {"again": true}}', 1);
SELECT * FROM migrate_tasks('migrate/any');
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT node_name FROM noetl.lease('slow');
SELECT max(severity) FROM noetl.migrate(newest('migrate/any'), 3, '{"k": "m"}', false);
SELECT max(severity) FROM noetl.migrate(newest('migrate/any'), 2, '{"m": "k"}', false);
SELECT max(severity) FROM noetl.migrate(newest('migrate/any'), 3, '{"k": "m"}', false);
SELECT noetl.complete(queue_id, '{"again": true}', 'slow') FROM noetl.queue WHERE execution_id = newest('migrate/any');
SELECT step, wrong FROM migrate_work();
SELECT * FROM migrate_end('migrate/any');

-- Each run goes on seeing the visits that it descends from, under their new names.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/pages
workflow:
- {step: start, next: %1$s}
- {step: %1$s, type: http, url: x, next_mode: inclusive, next: [save, {when: "{{ result.more }}", then: %1$s}]}
- {step: save, type: saving, on_error: hold, page: "{{ %1$s.page }}", next: {step: log, data: {page: "{{ %1$s.page }}"}}}
- {step: log, type: logging}
$$, name)) ORDER BY name) FROM unnest('{fetch,get}'::text[]) AS name;
SELECT noetl.execute('migrate/pages', version => 1) > 0 AS started;
SELECT count(noetl.complete(queue_id, '{"page": 1, "more": true}', 'w')) FROM noetl.lease('w', types => '{http}');
SELECT count(noetl.complete(queue_id, '{"page": 2, "more": true}', 'w')) FROM noetl.lease('w', types => '{http}');
SELECT count(noetl.complete(queue_id, '{"page": 3, "more": true}', 'w')) FROM noetl.lease('w', types => '{http}');
SELECT regexp_replace(node_id, '^\d+:', '') AS node FROM noetl.lease('slow', 2, types => '{saving}');
SELECT noetl.fail(queue_id, 'no room', 'slow') FROM noetl.queue WHERE execution_id = newest('migrate/pages') AND node_id LIKE '%:save';
SELECT step_name, visit, state FROM noetl.run WHERE execution_id = newest('migrate/pages');
SELECT max(severity) FROM noetl.migrate(newest('migrate/pages'), 2, '{"fetch": "get"}', false);
SELECT regexp_replace(node_id, '^\d+:', '') AS node, result, meta ->> 'was' AS was FROM noetl.event
 WHERE execution_id = newest('migrate/pages') AND event_type = 'step_carried' ORDER BY event_id;
SELECT migrate_rebuilt('migrate/pages') AS wrong;
SELECT count(noetl.complete(queue_id, '{"page": 4}', 'w')) FROM noetl.lease('w', types => '{http}');
SELECT noetl.retry(newest('migrate/pages'));
SELECT regexp_replace(node_id, '^\d+:', '') AS node, action -> 'page' AS page FROM noetl.queue WHERE execution_id = newest('migrate/pages') ORDER BY 1;
SELECT count(noetl.complete(queue_id, '{}', 'slow')) FROM noetl.queue WHERE execution_id = newest('migrate/pages') AND worker_id = 'slow';
SELECT max(severity) FROM noetl.migrate(newest('migrate/pages'), 1, '{"get": "fetch"}', false);
SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 9, types => '{saving}');
SELECT input FROM migrate_tasks('migrate/pages') ORDER BY input;
SELECT migrate_rebuilt('migrate/pages') AS wrong;
SELECT count(*), sum(wrong) FROM migrate_work();
SELECT * FROM migrate_end('migrate/pages');

-- Two steps may change their names, also while both are held.
SELECT count(noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/swap
workflow:
- {step: start, next: [%1$s, %2$s]}
- {step: %1$s, type: http, url: x, on_error: hold, next: [after_first, {when: "{{ result.more }}", then: %1$s}]}
- {step: %2$s, type: http, url: x, on_error: hold, next: [after_second, {when: "{{ result.more }}", then: %2$s}]}
- {step: after_first, type: http, url: x, next: {step: log, data: {first: "{{ %1$s.n }}"}}}
- {step: after_second, type: http, url: x, next: {step: log, data: {second: "{{ %2$s.n }}"}}}
- {step: log, join: each, type: logging}
$$, name, translate(name, 'ab', 'ba'))) ORDER BY name) FROM unnest('{a,b}'::text[]) AS name;
SELECT noetl.execute('migrate/swap', version => 1) > 0 AS started;
CREATE FUNCTION migrate_do(playbook text, node text, result jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO noetl.event (execution_id, event_type, node_name, node_id, result)
    SELECT newest(playbook), 'action_completed', split_part(node, ':', 1), newest(playbook) || ':' || node, result
$$;
SELECT migrate_do('migrate/swap', 'a', '{"n": "a1", "more": true}'), migrate_do('migrate/swap', 'a:2', '{"n": "a2", "more": true}'),
       migrate_do('migrate/swap', 'b', '{"n": "b1", "more": true}'), migrate_do('migrate/swap', 'b:2', '{"n": "b2", "more": true}');
SELECT count(*) FROM noetl.lease('slow', 9, types => '{http}');
SELECT noetl.fail(queue_id, 'no ' || node_name, 'slow') FROM noetl.queue WHERE execution_id = newest('migrate/swap') AND node_name IN ('a', 'b');
SELECT max(severity) FROM noetl.migrate(newest('migrate/swap'), 2, '{"a": "b", "b": "a"}', false);
SELECT step_name, visit, state FROM noetl.run WHERE execution_id = newest('migrate/swap') ORDER BY 1;
-- Their errors are known by the names that they have now.
SELECT step, substring(detail FROM 'no [ab]') AS error, since < now() AS since FROM noetl.why(newest('migrate/swap')) WHERE state = 'held' ORDER BY step;
SELECT (SELECT count(*) FROM noetl.retry_all('migrate/swap', 'no a')) AS meant, (SELECT count(*) FROM noetl.cancel_all('migrate/swap', 'no c')) AS not_meant;
SELECT migrate_rebuilt('migrate/swap') AS wrong;
SELECT noetl.retry(newest('migrate/swap'));
SELECT * FROM migrate_tasks('migrate/swap');
SELECT migrate_do('migrate/swap', 'a:3', '{"n": "b3"}'), migrate_do('migrate/swap', 'b:3', '{"n": "a3"}');
SELECT count(noetl.complete(queue_id, '{}', 'slow')) FROM noetl.queue WHERE execution_id = newest('migrate/swap') AND worker_id = 'slow';
SELECT count(noetl.complete(queue_id, '{}', 'w')) FROM noetl.lease('w', 9, types => '{http}');
SELECT input FROM migrate_tasks('migrate/swap') ORDER BY input;
SELECT count(*), sum(wrong) FROM migrate_work();
SELECT * FROM migrate_end('migrate/swap');
DROP FUNCTION migrate_tasks, migrate_rebuilt, migrate_do;

-- A fork from a run before the migration: what it sees has the names of the version that it goes on with.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/fork
workflow:
- {step: start, next: pay}
- {step: pay, type: http, url: x, compensate: {type: http, url: undo}, next: ship}
- {step: ship, type: http, url: x, next: tell}
- {step: tell, type: http, url: x, next: last}
- {step: last, type: http, url: x, args: {pay: "{{ pay.n }}", ship: "{{ ship.n }}"}}
$$) > 0 AS registered, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/fork
workflow:
- {step: start, next: charge}
- {step: charge, type: http, url: x, compensate: {type: http, url: undo}, next: pay}
- {step: pay, type: http, url: x, next: inform}
- {step: inform, type: http, url: x, next: last}
- {step: last, type: http, url: x, args: {charge: "{{ charge.n }}", pay: "{{ pay.n }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/fork', version => 1) AS x \gset
SELECT step, wrong FROM migrate_work('{"pay": {"n": "paid"}, "ship": {"n": "shipped"}}', 2);
-- The steps of a map are those of the documents.
SELECT severity, message FROM noetl.migrate(:x, 2, '{"pay": "charge.compensate", "pay.compensate": "charge"}') WHERE severity = 'error' AND message LIKE 'step_map%';
SELECT max(severity) FILTER (WHERE severity <> 'warning') FROM noetl.migrate(:x, 2, '{"pay": "charge", "ship": "pay", "tell": "inform"}', false);
SELECT step, action -> 'args' AS args, wrong FROM migrate_work();
SELECT noetl.fork(:x, 'tell') > 0 AS forked;
SELECT version FROM noetl.execution WHERE execution_id = newest('migrate/fork');
SELECT step, action -> 'args' AS args, wrong FROM migrate_work();
-- Of the version that the run began with, the names are what they were.
SELECT noetl.fork(:x, 'tell', version => 1) > 0 AS forked;
SELECT step, action -> 'args' AS args, wrong FROM migrate_work();
-- From a run after the migration nothing is renamed.
SELECT noetl.fork(:x, 'last') > 0 AS forked;
SELECT step, action -> 'args' AS args, wrong FROM migrate_work();
\set VERBOSITY sqlstate
SELECT noetl.fork(:x, 'inform', visit => 7);
\set VERBOSITY default

-- A join that has run in another version, or in the execution that a fork comes from, runs again
-- where the new version leads to it, also one that was skipped when its branches had come; one
-- that was skipped while it waited does not.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/rejoin
workflow:
- {step: start, next: check}
- {step: check, type: http, url: x, next: ship}
- {step: ship, type: http, url: x, next: end}
- {step: end}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/rejoin
workflow:
- {step: start, next: [ship, bill]}
- {step: ship, type: http, url: x, next: test}
- {step: bill, type: http, url: x, next: test}
- {step: test, type: http, url: x, next: end}
- {step: end, result: "{{ test.n }}"}
$$) > 0, noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: migrate/rejoin
workflow:
- {step: start, next: [ship, bill]}
- {step: ship, type: http, url: x, next: check}
- {step: bill, type: http, url: x, next: check}
- {step: check, type: http, url: x, next: end}
- {step: end, result: "{{ check.n }}"}
$$) > 0 AS registered;
SELECT noetl.execute('migrate/rejoin', version => 1) AS x \gset
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT severity, step, message FROM noetl.migrate(:x, 3, dry_run => false) WHERE step = 'check';
SELECT step, wrong FROM migrate_work('{"check": {"n": "checked again"}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('migrate/rejoin', version => 1) AS x \gset
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT max(severity) FILTER (WHERE severity <> 'warning') FROM noetl.migrate(:x, 2, '{"check": "test"}', false);
SELECT step, wrong FROM migrate_work('{"test": {"n": "tested"}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('migrate/rejoin', version => 1) AS x \gset
SELECT step, wrong FROM migrate_work();
SELECT noetl.fork(:x, 'ship', version => 3) AS x \gset
SELECT step, wrong FROM migrate_work('{"check": {"n": "checked again"}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('migrate/rejoin', version => 2) AS x \gset
SELECT step, wrong FROM migrate_work('{}', 1);
SELECT noetl.skip(:x, 'test', '{"n": "skipped"}');
SELECT max(severity) FILTER (WHERE severity <> 'warning') FROM noetl.migrate(:x, 3, '{"test": "check"}', false);
SELECT step, wrong FROM migrate_work();
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('migrate/rejoin', version => 1) AS x \gset
SELECT noetl.skip(:x, 'check', '{"n": "skipped"}');
SELECT message FROM noetl.migrate(:x, 3, dry_run => false) WHERE step = 'check';
SELECT step, wrong FROM migrate_work('{"check": {"n": "checked at last"}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('migrate/rejoin', version => 1) AS x \gset
SELECT noetl.skip(:x, 'check', '{"n": "skipped"}');
SELECT max(severity) FILTER (WHERE severity <> 'warning') FROM noetl.migrate(:x, 2, '{"check": "test"}', false);
SELECT step, wrong FROM migrate_work('{"test": {"n": "tested at last"}}');
SELECT status, result FROM noetl.execution WHERE execution_id = :x;
