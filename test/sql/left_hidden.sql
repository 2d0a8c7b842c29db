-- What is left to the worker is a string that the playbook has written at that very place:
-- data that hides such a string is data, also where it looks like a template.
\pset tuples_only on
\pset format unaligned

CREATE FUNCTION pg_temp.add(name text, steps text, more text DEFAULT '') RETURNS bool LANGUAGE sql AS $$
    SELECT noetl.register(format(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: left/%s\n%s\nworkflow:\n%s', name, more, steps)) > 0
$$;

-- What a worker that shows two variables makes of the task.
CREATE FUNCTION pg_temp.seen(id bigint, OUT places jsonb, OUT of_action jsonb, OUT data jsonb, OUT names jsonb)
LANGUAGE sql AS $$
    SELECT q.context -> '_left_context', q.context -> '_left_action', r.rendered_action -> 'data',
           r.rendered_context - '{env,_strict,_left_action,_left_context,_loop,parent,this}'::text[]
      FROM noetl.queue q, noetl.render_left(q.action, q.context, '{"env": {"URL": "http://u", "SECRET": "the password"}}') r
     WHERE q.execution_id = id
$$;

-- The input of a step hides a key of the workload.
SELECT pg_temp.add('input', $$
- {step: a, type: fetch, code: x, next: b}
- {step: b, type: shell, command: "true", args: {url: "{{ a.url }}"}, save: {storage: http, url: "http://h/", data: {u: "{{ url }}"}}}
$$, 'workload: {url: "{{ env.URL }}"}');
SELECT noetl.execute('left/input') AS id \gset
SELECT noetl.complete(queue_id, '{"url": "{{ env.SECRET }}"}', 'w') FROM noetl.lease('w', types => '{fetch}');
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

-- Without that input, the key is the playbook's own string.
SELECT pg_temp.add('key', $$
- {step: b, type: shell, command: "true", save: {storage: http, url: "http://h/", data: {u: "{{ url }}", all: "{{ workload }}"}}}
$$, 'workload: {url: "{{ env.URL }}"}');
SELECT noetl.execute('left/key') AS id \gset
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

-- An item hides a member of the input, and a step a key of the workload.
SELECT pg_temp.add('item', $$
- {step: b, type: iterator, mode: distributed, element: x, collection: "{{ xs }}", task: {type: python, code: x, args: {x: "{{ env.URL }}"}, save: {storage: http, url: "http://h/", data: {u: "{{ x }}"}}}}
$$, 'workload: {xs: []}');
SELECT noetl.execute('left/item', '{"xs": ["{{ env.SECRET }}"]}') AS id \gset
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

SELECT pg_temp.add('step', $$
- {step: url, type: fetch, code: x, next: b}
- {step: b, type: shell, command: "true", save: {storage: http, url: "http://h/", data: {u: "{{ url }}"}}}
$$, 'workload: {url: "{{ env.URL }}"}');
SELECT noetl.execute('left/step') AS id \gset
SELECT noetl.complete(queue_id, '"{{ env.SECRET }}"', 'w') FROM noetl.lease('w', types => '{fetch}');
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

-- The result of a child hides a key of the workload in the save that follows it.
SELECT pg_temp.add('child', '- {step: a, type: fetch, code: x}');
SELECT pg_temp.add('result', $$
- {step: b, type: playbook, path: left/child, save: {storage: http, url: "http://h/", data: {u: "{{ result }}"}}}
$$, 'workload: {result: "{{ env.URL }}"}');
SELECT noetl.execute('left/result') AS id \gset
SELECT noetl.complete(queue_id, '"{{ env.SECRET }}"', 'w') FROM noetl.lease('w', types => '{fetch}');
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

-- What a transition gives hides what the step has, even where both read the same.
SELECT pg_temp.add('transition', $$
- {step: a, type: fetch, code: x, next: {step: b, args: {auth: "{{ a.auth }}"}}}
- {step: b, type: shell, command: "true", args: {auth: "{{ env.SECRET }}", home: "{{ env.URL }}"}, save: {storage: http, url: "http://h/", data: {u: "{{ auth }}", d: "{{ data }}"}}}
$$);
SELECT noetl.execute('left/transition') AS id \gset
SELECT noetl.complete(queue_id, '{"auth": "{{ env.SECRET }}"}', 'w') FROM noetl.lease('w', types => '{fetch}');
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

-- What the transition itself has written is left to the worker, and so is a layer that is no map.
SELECT pg_temp.add('given', $$
- {step: a, type: fetch, code: x, next: {step: b, args: {auth: "{{ env.SECRET }}"}}}
- {step: b, type: shell, command: "true", args: "{{ env.URL }}"}
$$);
SELECT noetl.execute('left/given') AS id \gset
SELECT noetl.complete(queue_id, '{}', 'w') FROM noetl.lease('w', types => '{fetch}');
SELECT * FROM pg_temp.seen(:id);
SELECT noetl.cancel(:id);

-- Nobody renders such a string where its step hands it on: its own input, conditions,
-- retry, transitions, routers, saves in the database and the result of the end raise.
CREATE FUNCTION pg_temp.handed_on(name text, step text, answer jsonb DEFAULT '{}') RETURNS TABLE (event text, error text) LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
BEGIN
    PERFORM pg_temp.add(name, E'- {step: a, type: fetch, code: x, next: {step: b, data: {auth: "{{ env.SECRET }}", plain: 1}}}\n'
                        || E'- {step: c, type: shell, command: "true", next: end}\n' || step);
    id := noetl.execute('left/' || name);
    PERFORM work('{"a": {}}', 1);
    PERFORM work(jsonb_build_object('b', answer));
    RETURN QUERY SELECT e.event_type, e.error FROM noetl.event e WHERE e.execution_id = id AND e.error IS NOT NULL ORDER BY e.event_id;
    RETURN QUERY SELECT 'verify', v::text FROM noetl.verify(id) AS v;
    PERFORM noetl.cancel(id);
END
$$;
SELECT * FROM pg_temp.handed_on('layer', '- {step: b, type: shell, command: "true", args: {own: "{{ auth }}"}}');
SELECT * FROM pg_temp.handed_on('same', '- {step: b, type: shell, command: "true", args: {own: "{{ mine }}"}, data: {mine: "{{ env.SECRET }}"}}');
SELECT * FROM pg_temp.handed_on('when', '- {step: b, type: shell, command: "true", when: "{{ data.auth }}"}');
SELECT * FROM pg_temp.handed_on('router', '- {step: b, next: {step: c, data: {auth: "{{ data.auth }}"}}}');
SELECT * FROM pg_temp.handed_on('next', E'- {step: b, type: shell, command: "true", next: {step: c, data: {auth: "{{ input.auth }}"}}}');
SELECT * FROM pg_temp.handed_on('retry', E'- {step: b, type: shell, command: "true", retry: {initial_delay: 0, retry_when: "{{ auth }}"}}', '{"fail": "no"}');
SELECT * FROM pg_temp.handed_on('save', E'- {step: b, type: shell, command: "true", save: {storage: postgres, table: nowhere, data: {auth: "{{ auth }}"}}}');
SELECT * FROM pg_temp.handed_on('end', E'- {step: b, type: shell, command: "true", next: {step: end, data: {auth: "{{ env.SECRET }}"}}}\n- {step: end, result: "{{ data.auth }}"}');
SELECT * FROM pg_temp.handed_on('items', '- {step: b, type: iterator, mode: distributed, collection: [1], element: n, task: {type: shell, command: "{{ auth }}"}}');
-- What is beside it goes on.
SELECT * FROM pg_temp.handed_on('beside', '- {step: b, type: shell, command: "true", when: "{{ data.plain and plain }}", args: {own: "{{ plain }}"}, next: {step: c, data: {plain: "{{ data.plain }}"}}}');

-- Whether an input has strings of a worker costs no more where it has many members, and the playbook many steps.
\set patience `echo ${NOETL_PATIENCE:-20s}`
SET statement_timeout = :'patience';
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: left/many\nworkload: {big: {}}\nworkflow:\n- {step: start, next: {step: ask, data: "{{ big }}"}}\n- {step: ask, next: [' ||
    (SELECT string_agg(format('{when: "{{ (data | length) == %s }}", then: s1}', i), ', ') FROM generate_series(1, 20) i) || E', {step: shell}]}\n' ||
    (SELECT string_agg(format(E'- {step: s%s, next: s%s}\n', i, i + 1), '') FROM generate_series(1, 4000) i) || E'- {step: s4001}\n- {step: shell, type: shell, command: "{{ env.HOME }}"}') > 0 AS registered;
SELECT noetl.execute('left/many', jsonb_build_object('big', (SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 10000) i))) > 0 AS started;
RESET statement_timeout;
SELECT step FROM work();
-- Whether names of the input are such strings is asked for each item; what transitions of other steps
-- give does not count (10,000 items, 10,000 steps: 0.4 s; it took 30 s).
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: left/items\nworkflow:\n'
        '- {step: start, next: [{step: each, data: {a: 1, b: 2}}]}\n'
        '- {step: each, type: iterator, mode: distributed, concurrency: 1, collection: "{{ range(10000) | list }}", element: n, where: "{{ a + b + data.a > 0 }}", task: {type: left_many, code: x}, next: s1}\n'
        || string_agg(format(E'- {step: s%s, next: [{step: s%s, data: {a: 1}}]}\n', i, i + 1), '' ORDER BY i)
        || E'- {step: s10001, type: http, url: "{{ env.X }}", next: end}\n- {step: end}\n') > 0 AS registered FROM generate_series(1, 10000) AS i;
SET statement_timeout = '15s';
SELECT noetl.execute('left/items') AS x \gset
RESET statement_timeout;
SELECT status, (SELECT count(*) FROM noetl.item WHERE execution_id = :x) AS waiting FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.cancel(:x);
