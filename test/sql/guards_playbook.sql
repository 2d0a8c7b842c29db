-- Stories of guards of the compiler of playbooks: what is right is not blamed, what is wrong
-- is blamed once and for its own reason, and what is left out is as if it was not written.
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.check(steps text, head text DEFAULT '') RETURNS TABLE (issue text) LANGUAGE sql AS $$
    SELECT format('%s %s:%s %s: %s -- %s', severity, line, col, path, message, hint)
    FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: guards/check\n' || head || E'\nworkflow:\n' || steps)
$$;
-- The issues of one step of type python that has more keys.
CREATE FUNCTION pg_temp.step(more text, head text DEFAULT '') RETURNS TABLE (issue text) LANGUAGE sql AS $$
    SELECT issue FROM pg_temp.check('- {step: a, type: python, code: x, ' || more || '}', head)
$$;

-- A key without a value is a key that is not there.
SELECT pg_temp.step('limits: , priority: , fairness: ', E'limits:\npriority:\nfairness:\ntests:\n');
SELECT pg_temp.step('limits: [{name: l, key: , concurrency: , rate: }], fairness: {key: k, weight: }');
SELECT pg_temp.step('fairness: {key: }');
-- The name of a limit, and the span of a rate.
SELECT more, pg_temp.step('limits: [{name: ' || more || '}]') FROM unnest(ARRAY['l', '""', '', '"{{ x }}"']) more;
SELECT more, pg_temp.step('limits: [{name: l, rate: {limit: 5, per: ' || more || '}}]') FROM unnest(ARRAY['minute', '0', '"0 seconds"', '-1', '""', '{a: 1}']) more;
-- The end waits for all branches; a join that nobody knows has no effect there either.
SELECT pg_temp.check(E'- {step: a, type: python, code: x, next: end}\n- {step: end, join: never}');
SELECT pg_temp.check(E'- {step: a, type: python, code: x, next: end}\n- {step: end, join: all}');
SELECT pg_temp.check(E'- {step: a, type: python, code: x, next: end}\n- {step: end, join: any}');

-- Keys that are not known: with a dash, in other letters, of a connection.
SELECT pg_temp.step('-zzzz: 1');
SELECT pg_temp.check('- {step: a, type: http, URL: "http://h/"}');
SELECT pg_temp.check('- {step: a, type: http, url: "http://h/", URL: x}');
SELECT pg_temp.step('save: {storage: postgres, table: t, data: {a: 1}, db_host: h, sslmode: require, nothing_known: 1}');
-- What is no map where one is wanted, and what has no text for a type.
SELECT pg_temp.step('next: end', 'workbook: [5, [type, python], {name: t, type: {a: 1}, code: x}, {name: u, type: [a], code: x}]');
SELECT pg_temp.step('next: end', 'workbook: {t: 5, u: [type, python]}');
SELECT pg_temp.check('5');
SELECT pg_temp.check('- 5');
SELECT pg_temp.check('- {step: a, type: iterator, collection: [1], element: x, task: {type: {b: 1}, code: x}}');
SELECT pg_temp.check('- {step: a, type: {b: 1}, code: x}');
SELECT pg_temp.check('- {step: a, type: iterator, collection: [1], element: x, task: 5}');
SELECT pg_temp.check('- {step: a, type: workbook, task: t}', 'workbook: [{name: t, tool: {a: 1}}]');

-- Program text has braces of its own: only what is surely meant for us is warned of.
SELECT pg_temp.check('- {step: a, type: python, code: "x = ''{{ workload! }}''"}');
SELECT pg_temp.check(E'- {step: a, type: python, code: x, next: b}\n- {step: b, type: python, code: "x = {{ a.n }}"}');
SELECT pg_temp.check(E'- {step: a, type: python, code: x, next: b}\n- {step: b, type: python, code: "x = {{ unknown.n }}"}');
-- Templates of Go: one that is cut off, and one that is a template here, too, with a fault of its own.
SELECT pg_temp.check('- {step: a, type: shell, command: "{{ range "}');
SELECT pg_temp.check('- {step: a, type: shell, command: "{{ range $"}');
SELECT pg_temp.check('- {step: a, when: "{{ default .x | lowerr }}", type: shell, command: x}');
SELECT pg_temp.check('- {step: a, when: "{{ default.x | lowerr }}", type: shell, command: x}');
SELECT pg_temp.check(E'- {step: a, type: shell, command: \'{{ "\\N{BULLET}" }} {{ .x }}\'}');
-- A fault of a template as a whole stands where the template begins.
SELECT pg_temp.check('- step: a
  type: shell
  command: |
    {{ ' || repeat('(', 200000) || '1' || repeat(')', 200000) || ' }}');
-- Comments around a statement are none of it.
SELECT statement, issue FROM unnest(ARRAY['/* why */ SELECT 1', '-- why\n(SELECT 1)', 'SELECT 1; /* end */', 'SELECT 1; /* end */ SELECT 2', '/* why */ DROP TABLE t']) statement
  LEFT JOIN LATERAL pg_temp.check('- {step: a, type: sql, statement: "' || statement || '"}') ON true;
-- A filter that nobody knows: in what a worker renders, and in the workload, which is data
-- until somebody needs it.
SELECT pg_temp.step('save: {storage: http, url: "{{ result | no_such }}"}');
SELECT pg_temp.step('next: end', 'workload: {t: "{{ 1 | no_such }}"}');
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: guards/data\nworkload: {t: "{{ 1 | no_such }}"}\nworkflow:\n- {step: a, type: python, code: x, next: [{when: "{{ workload.t is string }}", then: b}]}\n- {step: b, type: python, code: x}') > 0;
SELECT noetl.execute('guards/data') > 0;
SELECT step FROM work();
SELECT status, error FROM noetl.execution WHERE path = 'guards/data';

-- Names that are like others; those that are longer than 255 bytes are like none.
SELECT issue ~ 'Did you mean' FROM pg_temp.step('next: ' || repeat('b', 254)) WHERE issue ~ 'does not exist'
  UNION ALL SELECT issue ~ 'Did you mean "b' FROM pg_temp.check('- {step: a, type: python, code: x, next: ' || repeat('b', 254) || E'}\n- {step: ' || repeat('b', 255) || ', type: python, code: x}') WHERE issue ~ 'does not exist'
  UNION ALL SELECT issue ~ 'Did you mean "b' FROM pg_temp.check('- {step: a, type: python, code: x, next: ' || repeat('b', 255) || E'}\n- {step: ' || repeat('b', 256) || ', type: python, code: x}') WHERE issue ~ 'does not exist';
SELECT length, pg_temp.step('args: {v: "{{ ' || repeat('k', length) || ' }}"}', 'workload: {' || repeat('k', length + 1) || ': 1}') ~ 'Did you mean' FROM unnest(ARRAY[254, 255]) length;
SELECT pg_temp.step('args: {a: "{{ this.x }}", b: "{{ error }}", c: "{{ region }}"}');
SELECT pg_temp.check('- {step: a, type: wait, signal: [s], next: [{when: "{{ sgnal.x }}", then: end}, {when: "{{ signal.x }}", then: end}]}');
SELECT pg_temp.check('- {step: a, type: wait, signal: [s], accept: "{{ sgnal.x and signal.y and sth }}"}');
-- So many names that nothing defines that no more suggestions are made, nor lists are longer.
SELECT count(*), count(*) FILTER (WHERE issue ~ 'Did you mean "workload"')
  FROM pg_temp.step('args: {' || (SELECT string_agg(format('k%s: "{{ wrkload.x%s }}"', i, i), ', ') FROM generate_series(1, 60) i) || '}');
SELECT count(*), count(*) FILTER (WHERE issue ~ 'Did you mean "task"')
  FROM pg_temp.check((SELECT string_agg(format('- {step: s%s, type: workbook, task: tusk, next: s%s}', i, i + 1), E'\n') FROM generate_series(1, 60) i) || E'\n- {step: s61}', 'workbook: [{name: task, type: python, code: x}]');
SELECT severity, count(*) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: guards/check\nworkflow:\n- step: a\n  type: python\n  code: x\n  args:\n' || (SELECT string_agg(format('    k%s: "{{ unknown.x }}"', i), E'\n') FROM generate_series(1, 1010) i)) GROUP BY 1;
SELECT severity, count(*), max(message) FILTER (WHERE line IS NULL) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: guards/check\nworkflow:\n- step: a\n  type: python\n  code: x\n  args:\n' || (SELECT string_agg(format('    k%s: "{{ 1 + }}"', i), E'\n') FROM generate_series(1, 1010) i)) GROUP BY 1;

-- An entry that names its step itself, with an else.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/entry
workload: {n: 1}
workflow:
- {step: start, next: [{when: "{{ workload.n == 1 }}", step: one, data: {x: 1}, else: other}]}
- {step: one, type: python, code: x}
- {step: other, type: python, code: x}
$$) > 0;
SELECT noetl.execute('guards/entry') > 0;
SELECT step, input FROM work();
SELECT noetl.execute('guards/entry', '{"n": 2}') > 0;
SELECT step, input FROM work();

-- A step of type save with a tool of no kind.
SELECT pg_temp.check('- {step: a, type: save, tool: [x], storage: postgres, table: t, data: {a: 1}}');
SELECT pg_temp.check('- {step: a, type: save, tool: {table: t}, storage: postgres, data: {a: 1}}');

-- The same key in the tool of a step and in that of its task, or in two layers of its input:
-- the action has it once.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/twice
workbook: [{name: t, tool: {kind: http, url: "http://h/", timeout: 1, when: w1, next: n1}}]
workflow:
- {step: a, type: workbook, task: t, tool: {kind: workbook, when: w2, next: n2, timeout: 2}, next: b}
- {step: b, tool: postgres, args: {command: SELECT 1, auth: a1, db_host: h1}, input: {command: SELECT 2, auth: a2, sql: SELECT 3}, data: {command: SELECT 4, db_host: h2}}
$$) > 0;
SELECT noetl.execute('guards/twice') > 0;
SELECT node_name, (noetl.complete(queue_id, '{}', 'w')), action FROM noetl.lease('w');
SELECT node_name, (noetl.complete(queue_id, '{}', 'w')), action FROM noetl.lease('w');
SELECT noetl.cancel(newest('guards/twice'));

-- Priorities that are text; what is no number is an error of the step.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: guards/priority
workload: {p: 1}
workflow:
- {step: a, type: python, code: x, priority: "{{ workload.p }}"}
$$) > 0;
SELECT p, noetl.execute('guards/priority', jsonb_build_object('p', p)) > 0 FROM unnest(ARRAY['"5"', '7', '"5x"', '"nan"', '"{{ x }}"', '""', 'null', '[1]', '"1e3"', '"inf"', '"-1e999"']::jsonb[]) p;
SELECT e.context #> '{workload,p}' AS p, q.priority, x.error FROM noetl.execution x JOIN noetl.event e USING (execution_id) LEFT JOIN noetl.queue q USING (execution_id) WHERE x.path = 'guards/priority' AND e.event_type = 'execution_start' ORDER BY x.execution_id;
SELECT count(noetl.cancel(execution_id)) FROM noetl.execution WHERE path = 'guards/priority' AND status = 'RUNNING';

-- What is sorted by a name that begins with a minus: names are told from expressions.
SELECT orders, (SELECT string_agg(item ->> 'n', ' ') FROM noetl.iterator_items(jsonb_build_object('element', 'x', 'order_by', orders, 'collection',
    '[{"n": 1, "_a": "p", "a1": "x", "größe": "k", "xdesc": 3, "x": 2, "a": {"b": "u"}}, {"n": 2, "_a": "q", "a1": "y", "größe": "m", "xdesc": 2, "x": 3, "a": {"b": "v"}}, {"n": 3, "_a": "o", "a1": "w", "größe": "l", "xdesc": 1, "x": 1, "a": {"b": "t"}}]'::jsonb), '{}'))
  FROM unnest(ARRAY['n', '-n', '-_a', '-a1', '-größe', 'xdesc', '-xdesc', 'x desc', 'x asc', '-a.b', 'n desc']) orders;
CREATE FUNCTION pg_temp.order_error(orders text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE place text;
BEGIN
    PERFORM noetl.iterator_items(jsonb_build_object('element', 'x', 'order_by', orders, 'collection', '[{"a": 1, "desc": 1, "asc": 1, "x": 2}, {"a": 2, "desc": 2, "asc": 1, "x": 3}]'::jsonb), '{}');
    RETURN 'sorted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS place = PG_EXCEPTION_DETAIL;
    RETURN SQLERRM || ' ' || place;
END
$$;
SELECT orders, pg_temp.order_error(orders) FROM unnest(ARRAY['-a..b', '-.a', '-a.', '-1a', '-', ' desc', ' asc', 'x']) orders;

-- What another version of noetl has registered, and this one cannot read, is told of by its place.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: guards/broken\nworkflow:\n- {step: a, type: python, code: x}') AS broken \gset
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE noetl.catalog SET content = E'apiVersion: noetl.io/v1\nworkflow: [' WHERE catalog_id = :broken;
COMMIT;
\c
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.start(path text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE place text;
BEGIN
    RETURN noetl.execute(path) > 0;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS place = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || place;
END
$$;
SELECT pg_temp.start('guards/broken');
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM noetl.catalog WHERE catalog_id = :broken;
COMMIT;
