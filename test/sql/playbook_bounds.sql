-- What a playbook may say in each place, from one end to the other, and what noetl.validate()
-- says of the rest.
CREATE FUNCTION pg_temp.says(head text, workflow text DEFAULT '[{step: s, type: python, code: x}]') RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(format('%s %s:%s %s -- %s', severity, line, col, message, hint), E'\n' ORDER BY line, col), 'nothing')
      FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\n' || head || E'\nworkflow: ' || workflow)
$$;
CREATE FUNCTION pg_temp.says_of(step text, name text DEFAULT 's') RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.says('', format('[{step: %s, %s}]', name, step)) $$;
\pset format unaligned
\pset tuples_only on

-- Numbers and times: the last that is taken, the first that is not, and what is none.
SELECT v, pg_temp.says_of('type: python, code: x, priority: ' || v)
  FROM unnest(ARRAY['5', 'null', '""', '5x', '1.5', '1000000', '1000001', '-1000000', '-1000001', '2147483647', '2147483648', '-2147483648', '-2147483649', '99999999999999999999', '[1]', '{a: 1}', '"{{ 1 }}"']) v;
SELECT v, pg_temp.says_of('type: python, code: x, limits: {name: n, concurrency: ' || v || '}')
  FROM unnest(ARRAY['5', 'null', '0', '-1', '5x', '2147483647', '2147483648', '99999999999999999999', '[1]', '{a: 1}', '"{{ 1 }}"']) v;
SELECT v, pg_temp.says_of('type: python, code: x, limits: ' || v)
  FROM unnest(ARRAY['null', '[]', '{}', 'n', '[n]', '{concurrency: 1}', '{name: "", concurrency: 1}', '{name: "{{ n }}", concurrency: 1}', format('{name: %s, concurrency: 1}', repeat('n', 200)), format('{name: %s, concurrency: 1}', repeat('n', 201)),
    '{name: [n], concurrency: 1}', '{name: n, key: null, concurrency: 1}', '{name: n, rate: null}', '{name: n, rate: 5}', '{name: n, rate: {per: minute}}', '{name: n, rate: {limit: 5}}', '{name: n, rate: {limit: 5, per: minute}}', '{name: n, rate: {limit: 5, per: 30}}',
    '{name: n, rate: {limit: 5, per: "5 minutes"}}', '{name: n, rate: {limit: 5, per: 0}}', '{name: n, rate: {limit: 5, per: "-1 minute"}}', '{name: n, rate: {limit: 5, per: [1]}}', '{name: n, rate: {limit: 5, per: fortnight}}', '{name: n, rate: {limit: 5, per: minute, burst: 0}}',
    '{name: n, on_limit: maybe}', '{name: n, on_limit: [wait]}', '{name: n, on_limit: skip}', '{name: n, more: 1}', '[{name: n}, {name: m}, {name: n}]']) v;
SELECT v, pg_temp.says_of('type: python, code: x, fairness: ' || v)
  FROM unnest(ARRAY['null', 'k', '{}', '{key: null}', '{weight: 2}', '{key: k}', '{key: k, weight: null}', '{key: k, weight: 2}', '{key: k, weight: 0}', '{key: k, weight: -1}', '{key: k, weight: 2x}', '{key: k, weight: [2]}', '{key: k, weight: "{{ 2 }}"}', '{key: k, more: 1}']) v;
SELECT v, pg_temp.says_of('type: python, code: x, timeout: ' || v)
  FROM unnest(ARRAY['5', 'null', '""', '0', '-1', '5x', '1 day', '36525 days', '36526 days', '-36526 days', '1200 months', '1201 months', '-1201 months', '213503983 days', '-213503982 days', '7116799 months 13 days', '-7116799 months -12 days', '876599 hours', '876601 hours', '-876601 hours', '3155759999', '3155760000', '99999999999 years', '[1]', 'true']) v;
SELECT v, pg_temp.says_of('type: python, code: x, max_visits: ' || v) FROM unnest(ARRAY['5', '0', '-1', '5x', '2147483647', '2147483648', '99999999999999999999', '[1]', 'null', '""']) v;
SELECT v, pg_temp.says_of('type: wait, ' || v)
  FROM unnest(ARRAY['signal: s', 'signal: ""', 'signal: 5', 'signal: {name: s}', 'signal: []', 'signal: [s, ""]', 'signal: [s, 5]', 'signal: [s, "{{ t }}"]', 'for: 5', 'for: -5', 'for: 5x', 'for: 36524 days', 'for: 36526 days', 'for: -36525 days', 'for: -36526 days', 'for: 1200 months', 'for: 1201 months', 'for: -1200 months', 'for: -1201 months', 'for: 876599 hours', 'for: 876601 hours', 'for: -876599 hours', 'for: -876601 hours', 'until: 5', 'until: 5x', 'until: "2030-01-01"', 'signal: s, keey: k', 'signal: s, key: k, kye: k', 'for: 5, key: k', 'for: 5, accept: "{{ true }}"']) v;
SELECT v, pg_temp.says_of('type: python, code: x, retry: ' || v)
  FROM unnest(ARRAY['5', 'false', 'true', 'null', 'x', '""', '[1]', '{}', '{max_attempts: 5}', '{max_attempts: ""}', '{max_attempts: x}', '{max_attempts: true}', '{max_attempts: [1]}', '{initial_delay: true}', '{jitter: true}', '{retry_when: "{{ 1 +"}', '{max_atempts: 3}']) v;

-- Iterators, and what they do for an item.
SELECT v, pg_temp.says_of('type: iterator, ' || v)
  FROM unnest(ARRAY['element: n, task: {type: python, code: x}', 'collection: [1], task: {type: python, code: x}', 'collection: [1], element: [n], task: {type: python, code: x}', 'collection: [1], element: n', 'collection: [1], element: n, task: x', 'collection: [1], element: n, task: [x]',
    'collection: [1], element: n, task: []', 'collection: [1], element: n, task: {code: x}', 'collection: [1], element: n, task: [{type: python, code: x}]', 'collection: [1], element: n, task: [{type: python, code: x}, {type: python, code: y}]', 'collection: [1], element: n, mode: distributed, task: [{type: python, code: x}, {type: python, code: y}]',
    'collection: [1], element: n, task: [{type: python, code: x}, {type: playbook, path: p}]', 'collection: [1], element: n, task: [{type: python, code: x}, {type: sql, statement: SELECT 1}]', 'collection: [1], element: n, task: [{type: python, code: x}, y]', 'collection: [1], element: n, task: {type: wait, for: 5}', 'collection: [1], element: n, mode: distributed, task: {type: iterator, collection: [1], element: m, mode: distributed, task: {type: python, code: x}}',
    'collection: [1], element: n, mode: distributed, task: {type: noop}', 'collection: [1], element: n, mode: some, task: {type: python, code: x}', 'collection: [1], element: n, mode: "{{ m }}", task: {type: python, code: x}', 'collection: [1], element: n, mode: parallel, task: {type: workbook, name: none}',
    'collection: [1], element: n, order_by: "-", task: {type: python, code: x}', 'collection: [1], element: n, order_by: "-a.b", task: {type: python, code: x}', 'collection: [1], element: n, order_by: "-a b", task: {type: python, code: x}', 'collection: [1], element: n, filter: "{{ n.x and index > 0 and m }}", task: {type: python, code: x}', 'collection: [1], element: n, order_by: 5, task: {type: python, code: x}', 'collection: [1], element: n, order_by: "{{ 1 +", task: {type: python, code: x}', 'collection: [1], element: n, order_by: "a b", mode: distributed, task: {type: python, code: x}', 'collection: [1], element: n, where: "{{ 1 +", task: {type: python, code: x}', 'collection: [1], element: n, limit: -1, task: {type: python, code: x}',
    'collection: [1], element: n, limit: 99999999999999999999, task: {type: python, code: x}', 'collection: [1], element: n, chunk: 0, task: {type: python, code: x}', 'collection: [1], element: n, concurrency: x, task: {type: python, code: x}']) v;

-- Steps: kinds, joins, transitions, failures, compensations.
SELECT v, pg_temp.says('', v)
  FROM unnest(ARRAY['[]', '{}', 'x', 'null', '[x]', '[{type: python}]', '[{step: ""}]', '[{step: [a]}]', '[{step: s}, {step: s}]',
    '[{step: s, join: some}]', '[{step: s, join: [all]}]', '[{step: end, join: any}]', '[{step: end, join: all}]', '[{step: end}]', '[{step: end}, {step: finish, type: end}]', '[{step: end, next: s}, {step: s}]',
    '[{step: s, next: t}]', '[{step: s, next: {}}]', '[{step: s, next: []}]', '[{step: s, next: [{}]}]', '[{step: s, next: [{step: t, then: t}]}, {step: t}]', '[{step: s, next: [{when: "{{ 1 }}"}]}]', '[{step: s, next: [[t]]}, {step: t}]', '[{step: s, next: [5]}]', '[{step: s, next_mode: some, next: t}, {step: t}]', '[{step: s, next_mode: [exclusive], next: t}, {step: t}]', '[{step: s, next_mode: inclusive, next: t}, {step: t}]', '[{step: s, next_mode: null, next: t}, {step: t}]', '[{step: s, next: [{then: nowhere, data: {a: 1}}, {else: nowhere, data: {a: 1}}]}]',
    '[{step: s, type: python, code: x, on_error: contnue}]', '[{step: s, type: python, code: x, on_error: contnue}, {step: contnue}]', '[{step: s, type: python, code: x, on_error: [a]}]', '[{step: s, type: python, code: x, on_error: 5}]', '[{step: s, type: python, code: x, on_lost: maybe}]',
    '[{step: s, compensate: {type: python, code: x}}]', '[{step: s, type: noop, compensate: {type: python, code: x}}]', '[{step: end, compensate: {type: python, code: x}}]', '[{step: s, type: python, code: x, compensate: {type: save, storage: postgres, table: t, data: {a: 1}}}]', '[{step: s, type: python, code: x, compensate: {type: wait, for: 5}}]', '[{step: s, type: python, code: x, compensate: {type: noop}}]', '[{step: s, type: python, code: x, compensate: x}]',
    '[{step: s, type: python, code: x, when: "", pass: null}]', '[{step: s, type: python, code: x, when: "{{ 1 +"}]', '[{step: s, type: python, code: x, when: [1]}]']) v;

-- A type is indexed.
SELECT length(v), pg_temp.says_of('type: ' || v), pg_temp.says_of('type: iterator, collection: [1], element: n, task: {tool: {kind: ' || v || '}}')
  FROM (SELECT repeat('t', n) FROM unnest(ARRAY[512, 513]) n) types(v);

-- Two keys that name the same value by an alias are two keys.
SELECT data -> 'type', data -> 'priority', data -> 'action' FROM unnest(ARRAY['type: iterator, collection: [1], element: n, chunk: &five 5, priority: *five, task: {type: python, code: x}',
    'tool: &tool {kind: http, url: u}, data: *tool', 'type: python, code: x, data: &row {n: "{{ 1 + 1 }}"}, save: *row', 'type: python, code: x, save: &row {storage: event, n: "{{ 1 + 1 }}"}, args: *row']) v,
    noetl.simulate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow: [{step: s, ' || v || '}]') WHERE event_type = 'task';

-- An empty key does not hide another one of the same meaning.
SELECT data -> 'action' FROM unnest(ARRAY['collection: null, in: [1], element: n', 'collection: [1], element: null, iterator: n', 'collection: [1], element: n, chunk: null', 'collection: [1], element: n, save: null, sink: {storage: event}']) v,
    noetl.simulate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow: [{step: s, type: iterator, ' || v || ', task: {type: python, code: x}}]') WHERE event_type = 'task';
SELECT noetl.task_action('{"type": "python", "code": "x", "save": null, "sink": {"storage": "event"}}', '{}', '{}', '{}');

-- What stands before the workflow.
SELECT v, pg_temp.says(v)
  FROM unnest(ARRAY['name: [n]', 'name: {n: 1}', 'metadata: x', 'metadata: [x]', 'metadata: {name: [n]}', 'workload: x', 'workload: [x]', 'labels: x', 'labels: {a: [1]}', 'timeout: 0', 'timeout: x', 'priority: x', 'limits: x', 'fairness: x', 'tests: x', 'tests: null', 'tests: [x]', 'tests: [{name: a, expect: {steps: {nowhere: {}}}}]', 'tests: [{name: a, expect: {tasks: [5]}}]',
    'workbook: x', 'workbook: 5', 'workbook: null', 'workbook: []', 'workbook: [x]', 'workbook: [{type: python, code: x}]', 'workbook: [{name: t, type: python, code: x}, {name: t, type: python, code: y}]', 'workbook: {t: x}', 'workbook: {t: {type: python, code: x}}', 'workbook: [{name: t, type: python, url: "{{ 1 +"}]', '"tests ": 1']) v;
SELECT v, (SELECT string_agg(format('%s %s:%s %s', severity, line, col, message), '; ') FROM noetl.validate(v))
  FROM unnest(ARRAY['', 'x', '[]', '{}', E'apiVersion: noetl.io/v2\nkind: Playbook\nworkflow: [{step: s}]', E'apiVersion: [1]\nkind: Playbook\nworkflow: [{step: s}]', E'apiVersion: noetl.io/v1\nkind: Other\nworkflow: [{step: s}]', E'apiVersion: noetl.io/v1\nkind: [Playbook]\nworkflow: [{step: s}]', E'kind: Playbook\nworkflow: [{step: s}]', E'apiVersion: noetl.io/v1\nworkflow: [{step: s}]', E'apiVersion: noetl.io/v1\nkind: Playbook', E'a: [1', E'a: 1\na: 2']) v;

-- Tasks of the workbook that are used.
SELECT v, pg_temp.says('workbook: [{name: task, type: python, code: x, args: {a: {b: 1}}}, {name: other, type: workbook, task: task}, {name: self, type: workbook, task: self}, {name: bare, desc: nothing}]', format('[{step: s, %s}]', v))
  FROM unnest(ARRAY['type: workbook, name: task', 'type: workbook, name: tsak', 'type: workbook', 'type: workbook, name: [task]', 'type: workbook, name: other', 'type: workbook, name: self', 'type: workbook, name: bare', 'type: workbook, name: task, args: {a: {c: 2}}', 'type: workbook, name: task, args: x']) v;

-- Names that are nearly right.
SELECT v, pg_temp.says('workload: {town: x, towns: []}', v)
  FROM unnest(ARRAY['[{step: each, type: iterator, collection: "{{ towns }}", element: place, task: {type: http, url: "{{ palce }}"}}]', '[{step: each, type: iterator, collection: "{{ towns }}", element: place, mode: distributed, task: {type: http, url: "{{ palce }}"}}]', '[{step: s, type: python, code: x, save: {storage: http, url: "{{ reslut }}"}}]', '[{step: s, type: wait, signal: a, accept: "{{ singal.data }}"}]', '[{step: s, type: python, code: x, next: [{when: "{{ resutl }}", then: end}]}, {step: end}]', '[{step: s, type: python, code: x, next: [{when: "{{ error }}", then: end}]}, {step: end}]',
    format('[{step: s, type: python, code: x, next: %s}, {step: end}]', repeat('e', 300)), format('[{step: s, type: python, code: x, next: edn}, {step: %s}]', repeat('e', 300)), '[{step: s, type: python, code: x, next: edn}, {step: end}]', '[{step: s, type: python, code: x, next: ed}, {step: end}]', '[{step: s, type: python, code: x, next: END}, {step: end}]',
    '[{step: s, type: python, code: x, "-next": end}, {step: end}]', '[{step: s, type: python, code: x, timeuot: 5, timeout: 6}]', '[{step: s, type: python, code: "a = {{ town }} + {{ other }} + {{s}} + {{ towns|length }} + {{.x}}"}]', '[{step: s, type: python, code: [x]}]', '[{step: s, type: shell, comand: x}]', '[{step: s, type: shell, command: x, methud: y}]', '[{step: s, type: http, url: x, commmand: y}]', '[{step: s, type: http, url: x, save: {storage: http, host: h, data: {a: 1}}}]', '[{step: s, type: http, url: x, save: {storage: {type: http, url: u}, data: {a: 1}}}]']) v;
SELECT v, pg_temp.says('', format('[{step: s, type: shell, command: %s}]', to_json(v))) FROM unnest(ARRAY['{{ .Env }}', '{{ $x }}', '{{ if x }}', '{{ range .x }}', '{{ range x }}', '{{ range "x" }}', '{{ range }}', '{{ end }}', '{{ with .x }}', '{{ template "x" }}', '{{ x }}', '{{ ranges }}']) v;

-- Names that nothing defines cost no more where there are many of them.
\set patience `echo ${NOETL_PATIENCE:-20s}`
SET statement_timeout = :'patience';
SELECT count(*), min(message) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow: [{step: s, type: python, code: x, args: {a: "' ||
    (SELECT string_agg(format('{{ n%s }}', i), '') FROM generate_series(1, 10000) i) || '"}}]');
SELECT count(*), min(message) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow:\n- {step: s, type: iterator, collection: [1], element: x, task: [' ||
    (SELECT string_agg(format('{name: t%s, type: python, code: x, args: {a: "{{ t%s }}{{ n%s }}"}}', i, i, i), ', ') FROM generate_series(1, 10000) i) || ']}');
SELECT count(*), min(message) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow:\n' ||
    (SELECT string_agg(format(E'- {step: s%s, next: {step: all, args: {n%s: 1}}}\n', i, i), '') FROM generate_series(1, 15000) i) || '- {step: all, type: python, code: x, args: {' ||
    (SELECT string_agg(format('a%s: "{{ n%s }}{{ m }}"', i, i), ', ') FROM generate_series(1, 15000) i) || '}}');
-- Nor do places of warnings in a document that aliases make large: they have no path any more.
SELECT count(*), count(*) FILTER (WHERE path LIKE 'workflow[0].args.%') BETWEEN 5 AND 100 AS some_paths, max(line) AS line
  FROM noetl.validate('{apiVersion: noetl.io/v1, kind: Playbook, path: bounds, workload: {a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], ' ||
    (SELECT string_agg(format('a%s: &a%s [%s], ', i, i, repeat(format('*a%s, ', i - 1), 9)), '') FROM generate_series(1, 5) i) || 'z: 1}, workflow: [{step: s, type: python, code: x, args: {' ||
    (SELECT string_agg(format('k%s: "{{ n%s }}"', i, i), ', ') FROM generate_series(1, 1000) i) || '}}]}');
-- Nor do the keys of an iterator, and branches that end, where there are many of them.
SELECT count(*) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow: [{step: s, type: iterator, collection: [1], element: n, task: {type: python, code: x}, ' ||
    (SELECT string_agg(format('k%s: 1', i), ', ') FROM generate_series(1, 40000) i) || '}]');
SELECT count(*) FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: bounds\nworkflow:\n' ||
    (SELECT string_agg(format(E'- {step: s%s, next: s%s}\n', i, i + 1), '') FROM generate_series(1, 10000) i) || '- {step: s10001, next: [' || repeat('END, ', 200000) || E'End]}\n- {step: end}');
RESET statement_timeout;
