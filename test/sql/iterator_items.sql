\pset format unaligned
\pset tuples_only on
-- The items of a task of type iterator, as its worker asks for them.
CREATE FUNCTION pg_temp.items(action jsonb, context jsonb DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(item::text, ' ' ORDER BY index) FROM noetl.iterator_items('{"element": "x"}' || action, context)
$$;

-- What a collection may be.
SELECT collection, coalesce(pg_temp.items(jsonb_build_object('collection', collection)), '(none)')
FROM unnest(ARRAY['[1, "a", null, [2], {"b": 3}]', '[]', 'null', '""', '" \n"',
	'"[1, 2]"', '" [1, {\"a\": [2]}] "', '"{\"items\": [1, 2]}"',
	'{"a": 1, "x": [1, 2]}', '{"a": 1, "xs": [1, 2]}', '{"a": 1, "items": [1, 2]}',
	'{"a": 1, "values": "[1, 2]"}', '{"a": 1, "collection": [1, 2]}', '{"rows": [1, 2]}',
	'{"x": "no list", "items": [1]}', '{"result": {"items": [1, 2]}}', '{"items": null, "a": 1}']::jsonb[]) AS collection;

-- And what not.
CREATE FUNCTION pg_temp.refusal(action jsonb, context jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    RETURN pg_temp.items(action, context);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || SQLERRM || coalesce(' / ' || nullif(hint, ''), '');
END $$;
SELECT pg_temp.refusal(jsonb_build_object('collection', collection))
FROM unnest(ARRAY['1.50', 'true', '"abc"', '"42"', '"\"[1]\""', '{}', '{"a": 1}', '{"a": [1], "b": [2]}', '{"x": 1}']::jsonb[]
	|| to_jsonb(repeat('ä', 30))) AS collection;
SELECT pg_temp.refusal('{"collection": [1], "element": null}');
SELECT pg_temp.refusal('{}');
SELECT pg_temp.refusal('[]');
SELECT * FROM noetl.iterator_items(NULL, '{}');
SELECT * FROM noetl.iterator_items('{"collection": [1], "element": "x"}', NULL);
SELECT * FROM noetl.iterator_items('{"collection": [1], "element": "x"}', '[]');

-- where: a condition with the item's names and those of the context.
SELECT pg_temp.items('{"collection": [1, 5, 9], "where": "x > least"}', '{"least": 4}');
SELECT pg_temp.items('{"collection": [1, 5, 9], "where": "{{ _loop.index == 1 or index == _loop.count - 1 }}"}');
SELECT pg_temp.items('{"collection": [{"ok": "no"}, {"ok": "yes"}, {"ok": true}, {}], "where": "{{ x.ok }}"}');
SELECT pg_temp.items('{"collection": [1, 2], "where": true}'), coalesce(pg_temp.items('{"collection": [1, 2], "where": false}'), '(none)');
SELECT pg_temp.items('{"collection": [1, 2], "where": null}');
SELECT pg_temp.refusal('{"collection": [1, 0], "where": "1 / x > 0"}');
SELECT pg_temp.refusal('{"collection": [1, 0], "where": "x >"}');

-- order_by: stable, by expression, template or path.
SELECT pg_temp.items('{"collection": [3, 20, 1, 10, -5], "order_by": "x"}');
SELECT pg_temp.items('{"collection": [3, 20, 1], "order_by": "{{ x }}"}');
SELECT pg_temp.items('{"collection": [3, 20, 1], "order_by": " -x "}');
SELECT pg_temp.items('{"collection": ["b", "a", "ba", "B", "é", "10", "9"], "order_by": "x"}');
SELECT pg_temp.items('{"collection": ["b", "a", "c"], "order_by": "-x"}');
SELECT pg_temp.items('{"collection": ["b", "a", "c"], "order_by": "{{ x }} desc"}');
SELECT pg_temp.items('{"collection": ["b", "a", "c"], "order_by": "x  ASC"}');
-- A name that nobody has is an error there, too; a member that an item lacks is none.
SELECT pg_temp.items('{"collection": [{"n": 2}, {}, {"n": 1}], "order_by": "{{ x.n }}"}');
SELECT pg_temp.items('{"collection": [{"n": 2}, {}, {"n": 1}], "order_by": "{{ y | default(x.n) }}"}');
SELECT pg_temp.items('{"collection": [{"n": 2}], "order_by": "{{ y.n }}"}');
SELECT pg_temp.items('{"collection": [2, 1], "order_by": "{{ y }}"}');
SELECT pg_temp.items('{"collection": [[2, 1], [1, 9], [1], [], [1, "a"]], "order_by": "x"}');
SELECT pg_temp.items('{"collection": [null, {"a": 1}, [1], "1", 1, true, false, null], "order_by": "x"}');
SELECT pg_temp.items('{"collection": [null, {"a": 1}, [1], "1", 1, true], "order_by": "-x"}');
SELECT pg_temp.items('{"collection": [{"k": 1, "n": 1}, {"k": 0, "n": 2}, {"k": 1, "n": 3}, {"n": 4}, {"k": 0, "n": 5}], "order_by": "x.k"}');
SELECT pg_temp.items('{"collection": [{"k": 1, "n": 1}, {"k": 0, "n": 2}, {"k": 1, "n": 3}, {"n": 4}, {"k": 0, "n": 5}], "order_by": "x.k desc"}');
-- Without braces the members of the item are names, before those of the context.
SELECT pg_temp.items('{"collection": [{"k": 2}, {"k": 1}], "order_by": "k"}', '{"k": 7}');
SELECT pg_temp.items('{"collection": [{"k": 2}, {"k": 1}], "order_by": "{{ k }}"}', '{"k": 7}');
SELECT pg_temp.items('{"collection": [{"k": {"a": 1}}, {"k": {"a": 2}}], "order_by": "-k.a"}');
SELECT pg_temp.items('{"collection": [{"k": 1, "n": 2}, {"k": 1, "n": 1}], "order_by": "[k, n]"}');
SELECT pg_temp.items('{"collection": [1, 2, 3, 4], "order_by": "x % 2", "where": "x > 1"}');
SELECT pg_temp.refusal('{"collection": [1, 0], "order_by": "1 / x"}');
SELECT pg_temp.refusal('{"collection": [1, 0], "order_by": "x +"}');
SELECT pg_temp.refusal('{"collection": [1, 0], "order_by": "x | nofilter"}');
SELECT pg_temp.refusal('{"collection": [1, 0], "order_by": ["x"]}');

-- limit, then chunk.
SELECT pg_temp.items('{"collection": [5, 4, 3, 2, 1], "order_by": "x", "limit": 3}');
SELECT coalesce(pg_temp.items('{"collection": [1, 2], "limit": 0}'), '(none)'), pg_temp.items('{"collection": [1, 2], "limit": "1"}'),
	pg_temp.items('{"collection": [1, 2], "limit": null, "chunk": null}');
SELECT pg_temp.items('{"collection": [1, 2, 3, 4, 5], "chunk": 2}'), pg_temp.items('{"collection": [1, 2, 3, 4], "chunk": 2}'),
	pg_temp.items('{"collection": [1, 2], "chunk": 2147483647}'), coalesce(pg_temp.items('{"collection": [], "chunk": 2}'), '(none)');
SELECT pg_temp.items('{"collection": [1, 2, 3, 4, 5], "chunk": 3, "limit": 4}');
SELECT pg_temp.refusal('{"collection": [1], "limit": -1}');
SELECT pg_temp.refusal('{"collection": [1], "limit": 1.5}');
SELECT pg_temp.refusal('{"collection": [1], "limit": "{{ n }}"}');
SELECT pg_temp.refusal('{"collection": [1], "chunk": 0}');
SELECT pg_temp.refusal('{"collection": [1], "chunk": [2]}');

-- The names inside an item.
SELECT index, item, names FROM noetl.iterator_items('{"element": "city", "collection": ["Oslo", "Rome"]}', '{}', 'visit');
SELECT names FROM noetl.iterator_items('{"element": "pair", "collection": [1, 2, 3], "chunk": 2}', '{}');
-- The element wins over the others, those over the step.
SELECT names FROM noetl.iterator_items('{"element": "index", "collection": ["a"]}', '{}', '_loop');

-- They are what templates of the item see.
SELECT noetl.render('{"text": "{{ greeting }} {{ city }}, {{ _loop.index + 1 }} of {{ _loop.count }}", "old": "{{ visit.result_index }}"}'::jsonb,
	'{"greeting": "Hello"}' || names)
FROM noetl.iterator_items('{"element": "city", "collection": ["Oslo", "Rome"]}', '{}', 'visit') ORDER BY index;

-- Many items.
SELECT count(*), min((item ->> 0)::int), max((item ->> 0)::int) FROM noetl.iterator_items(
	jsonb_build_object('element', 'x', 'collection', (SELECT jsonb_agg(i) FROM generate_series(1, 20000) i), 'where', 'x % 2 == 0', 'order_by', '-x', 'chunk', 10), '{}');

-- A function of its arguments alone: everybody may call it.
SELECT provolatile, proparallel, has_function_privilege('public', oid, 'execute') FROM pg_proc WHERE oid = 'noetl.iterator_items'::regproc;

-- What a worker that leases the task again is told: the items that have ended in this attempt,
-- by events of this task, as those say that count.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: items/done
workflow:
- {step: each, type: iterator, collection: [1, 2, 3], element: x, task: {type: python, code: x}}
$$) > 0;
SELECT noetl.execute('items/done') AS id \gset
SELECT queue_id AS task, event_id AS event FROM noetl.queue WHERE execution_id = :id \gset
SELECT count(*) FROM noetl.items_done(:task, 'w1');
SELECT attempts FROM noetl.lease('w1', types => '{iterator}');
INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, parent_event_id, current_index, result, error)
SELECT :id, t, 'each', w, :event + other, i, r, e FROM (VALUES
	('iteration_completed', 'w1', 0, 0, '"one"'::jsonb, NULL), ('iteration_failed', 'w1', 0, 1, 'null', 'two is odd'),
	('iteration_started', 'w1', 0, 2, '"no end"', NULL), ('iteration_completed', 'w1', 0, NULL, '"no index"', NULL),
	('iteration_completed', 'w1', 1, 2, '"another task"', NULL), ('iteration_completed', 'w1', 0, 2, '"no attempt"', NULL),
	('iteration_completed', 'w2', 0, 2, '"another worker"', NULL), ('iteration_completed', 'w1', 0, 2, '"another attempt"', NULL),
	('iteration_completed', 'w1', 0, 2, '"no meta"', NULL), ('iteration_completed', 'w1', 0, 2, '"ignored"', NULL)) v (t, w, other, i, r, e);
UPDATE noetl.event SET meta = CASE result ->> 0 WHEN 'another attempt' THEN '{"iterator_attempt": 2}'::jsonb WHEN 'no attempt' THEN '{"n": 1}'
       WHEN 'ignored' THEN meta || '{"ignored": "by hand"}' WHEN 'no end' THEN '{"iterator_attempt": 1}' END
 WHERE execution_id = :id AND result ->> 0 IN ('another attempt', 'no attempt', 'no meta', 'ignored', 'no end');
SELECT event_type, parent_event_id - :event AS other, current_index, result, meta FROM noetl.event WHERE execution_id = :id AND worker_id LIKE 'w_' ORDER BY event_id;
SELECT * FROM noetl.items_done(:task, 'w1') ORDER BY index;
SELECT count(*) FROM noetl.items_done(:task, 'w2');
SELECT count(*) FROM noetl.items_done(-5, 'w1');
-- Another role has not leased it.
CREATE ROLE regress_items;
GRANT USAGE ON SCHEMA noetl TO regress_items;
GRANT EXECUTE ON FUNCTION noetl.items_done TO regress_items;
CREATE FUNCTION items_denied(task bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN count(*) FROM noetl.items_done(task, 'w1');
EXCEPTION WHEN insufficient_privilege THEN
	RETURN regexp_replace(SQLERRM, '\d+', '(task)');
END
$$;
SET ROLE regress_items;
SELECT items_denied(:task);
RESET ROLE;
-- A lost lease counts as none; its items are told to the next who leases it.
UPDATE noetl.queue SET lease_until = clock_timestamp() - interval '1 s' WHERE queue_id = :task;
SELECT noetl.enqueue_next() >= 0;
SELECT queue_id AS task FROM noetl.queue WHERE execution_id = :id \gset
SELECT count(*) FROM noetl.items_done(:task, 'w1');
SELECT attempts FROM noetl.lease('w2', types => '{iterator}');
SELECT index, value FROM noetl.items_done(:task, 'w2') ORDER BY index;
-- A task that was made ready by hand is nobody's.
UPDATE noetl.queue SET status = 'queued' WHERE queue_id = :task;
SELECT count(*) FROM noetl.items_done(:task, 'w2');
SELECT noetl.cancel(:id);
DELETE FROM noetl.queue WHERE execution_id = :id;
REVOKE ALL ON FUNCTION noetl.items_done FROM regress_items;
REVOKE ALL ON SCHEMA noetl FROM regress_items;
DROP FUNCTION items_denied;
DROP ROLE regress_items;

-- What has completed before the step was given new attempts stays; the newest end of an item counts.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: items/kept
workflow:
- {step: each, type: iterator, collection: [1, 2, 3, 4], element: x, on_error: hold, retry: {max_attempts: 2, initial_delay: 0}, task: {type: python, code: x}}
$$) > 0;
SELECT noetl.execute('items/kept') AS id \gset
CREATE FUNCTION pg_temp.goes_through(execution bigint, completed int[], failed int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	task noetl.queue;
	known text;
BEGIN
	SELECT * INTO task FROM noetl.lease('w1', types => '{iterator}');
	SELECT string_agg(format('%s=%s', d.item, d.value), ' ' ORDER BY d.index) INTO known FROM noetl.items_done(task.queue_id, 'w1') AS d;
	INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, parent_event_id, current_index, current_item, result)
	SELECT execution, 'iteration_completed', 'each', 'w1', task.event_id, i, to_jsonb(i + 1), to_jsonb(task.attempts) FROM unnest(completed) AS i;
	INSERT INTO noetl.event (execution_id, event_type, node_name, worker_id, parent_event_id, current_index, error)
	VALUES (execution, 'iteration_failed', 'each', 'w1', task.event_id, failed, 'odd');
	PERFORM noetl.fail(task.queue_id, 'odd', 'w1');
	RETURN 'attempt ' || task.attempts || ': ' || coalesce(known, 'none');
END
$$;
-- The second attempt of the policy begins with the first item; it fails with one that the first had completed.
SELECT pg_temp.goes_through(:id, '{0,1,3}', 2);
SELECT pg_temp.goes_through(:id, '{0}', 1);
SELECT noetl.retry(:id);
-- What the first of the new attempts completes does not count in the second.
SELECT pg_temp.goes_through(:id, '{1}', 2);
SELECT pg_temp.goes_through(:id, '{2}', 1);
-- With another input all begins anew.
SELECT noetl.retry(:id, input => '{"more": 1}');
SELECT pg_temp.goes_through(:id, '{3}', 0);
SELECT pg_temp.goes_through(:id, '{}', 0);
SELECT noetl.retry(:id);
SELECT pg_temp.goes_through(:id, '{}', 0);
SELECT noetl.cancel(:id);
SELECT noetl.redrive(:id);
SELECT pg_temp.goes_through(:id, '{}', 0);
SELECT * FROM noetl.verify(:id);
SELECT noetl.cancel(:id);
