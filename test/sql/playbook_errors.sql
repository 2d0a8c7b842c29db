-- What registration has to say about faults: where, what, and what to do.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.lint(steps text, heads text DEFAULT '')
RETURNS TABLE (severity text, at text, path text, message text, hint text)
LANGUAGE sql AS $$
    SELECT severity, line || ':' || col, path, message, hint
      FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\nname: p\n' || heads ||
                          E'workflow:\n' || steps)
$$;
\pset format unaligned
\pset null (null)

-- One document, many faults, in document order.
SELECT * FROM noetl.validate($$
kind: Playbok
metadata: {name: faults, path: [a]}
workload: [1, 2]
workbook:
  - {name: compute, type: python}
  - {name: empty}
workflow:
  - step: start
    next: [{step: fetch_dta}, {when: "{{ a }}"}]
  - step: fetch_data
    type: http
    url: "{{ workload.url"
    max_visits: none
    retry: {max_attempts: many}
    next_mode: first
    next: {when: "{{ 1 + }}", then: [stpo], else: FETCH_DATA}
  - step: fetch_data
    tool: workbook
    task: comptue
    join: some
  - step: results
    tool: workbook
    name: empty
  - {next: start}
  - just text
  - step: stop
    tool: {url: x}
    on_error: {step: nobody}
$$);

-- The same, raised: the first error, how many more, and a hint.
SET client_min_messages = error;
DO $$
DECLARE
    state text; message text; detail text; hint text; document text;
BEGIN
    FOREACH document IN ARRAY ARRAY[
        'workflow: [{step: a, next: b}]',
        E'name: p\nworkflow: [{step: alpha, next: alhpa}, {step: b, next: c}]',
        E'name: p\nworkflow: [{step: a}, {step: a}]',
        E'name: p\nworkflow: [{step: env}]',
        E'name: p\nworkflow:\n  - step: a\n    type: iterator\n    collection: [1]',
        E'name: p\nworkflow:\n  - step: a\n    type: playbook\n    path: x',
        E'name: p\nworkflow:\n  - step: a\n    url: {{ x }}',
        E'name: p\nworkflow: [{step: a, type: playbook}]',
        E'name: p\nname: q\nworkflow: [{step: a}]',
        E'name: p\nworkflow: [{step: a, type: http, url: "{{ a b }}"}]',
        E'name: p\nworkflow: [',
        E'\tname: p\nworkflow: [{step: a}]',
        E'name: p\nworkflows: [{step: a}]',
        'just text', ''] LOOP
        BEGIN
            PERFORM noetl.register(document);
            RAISE NOTICE 'registered: %', document;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            RAISE INFO USING MESSAGE = format(E'%s %s\n    %s\n    %s', state, message, detail, hint);
        END;
    END LOOP;
END $$;
SET client_min_messages = warning;
SELECT noetl.register(NULL);
SELECT noetl.register('name: p', '');
SELECT noetl.register('name: p', repeat('x', 2000));
SELECT * FROM noetl.validate(NULL);

-- Warnings do not keep a playbook out.
SELECT noetl.register($$
apiVersion: noetl.io/v2
kind: Playbook
name: playbook_errors/warnings
workflow:
  - step: start
    nxet: end
    next:
      - {when: "{{ a }}", step: work_on}
      - end
  - step: work_on
    code: print("nothing runs this")
    retyr: 3
    timeuot: 4
    next: end
  - step: end
    next: {then: [{step: island, when: "{{ b }}"}]}
  - step: island
    type: http
    priority: urgent
    url: x
    body: text
    when:
  - step: lost
$$) > 0 AS registered;

-- In exclusive mode an unconditional entry after others is the default.
SELECT * FROM pg_temp.lint($$
- step: start
  next_mode: exclusive
  next: [{when: "{{ a }}", step: b}, b]
- step: b
$$);

-- An iterator needs a collection, a name for its items and a task that does
-- something, in each of its forms; a child playbook needs a path.
SELECT * FROM pg_temp.lint($$
- step: start
  next: [a, b, c, d, e, f, g, h]
- step: a
  type: Iterator
- step: b
  tool: {kind: playbook, version: 3}
- step: c
  type: iterator
  collection: [1]
  element: x
  task: {code: x}
- step: d
  type: workbook
  task: t
  loop: {in: [1], iterator: x}
- step: e
  loop: {in: [1]}
  type: python
- step: f
  type: iterator
  data: [1]
  iterator: x
  mode: eager
  order_by: "{{ x. }}"
  task: nowhere
- step: g
  loop: [1]
  type: python
- step: h
  type: iterator
  collection: [1]
  element: x
  mode: distributed
  where: "x >"
  tasks: [{type: python}, {type: http}]
- step: end
  sink:
    tool: postgres
$$, E'tasks: {t: {type: python, sink: {table: x}}}\n');

-- A template is located in the file, also inside a block and in a task.
SELECT * FROM pg_temp.lint($$
- step: start
  next: t
- step: t
  type: workbook
- step: never
  type: postgres
  command: |
    SELECT 1;
    SELECT {{ x + }};
  args:
    list:
      - fine
      - "{% if x %}"
  code: "{{ not a template"
  retry: {retry_when: "{{ status_code >= }}"}
- step: end
  result: "{{ never.x"
$$, E'workbook:\n- name: t\n  type: http\n  url: http://{{ host }\n');
-- A task that no step uses is checked for its templates, save in code.
SELECT * FROM pg_temp.lint('- step: end', E'workbook:\n- {name: idle, type: python, code: "{{ 1 + }}", args: {x: "{{ 1 + }}"}}\n');

-- A filter that only a worker may know keeps no playbook out, save in a
-- condition: that is for the broker to decide.
SELECT * FROM pg_temp.lint($$
- step: start
  type: python
  args: {day: "{{ 'now' | weekday }}", fine: "{{ a }}"}
  when: "{{ 1 is sunny }}"
$$);

-- Reserved names, names that are none, and what is no list.
SELECT at, message, hint FROM pg_temp.lint($$
- step: workload
- step: this
- step: 7
- step: [a]
- step:
- step: ""
$$);
SELECT message, hint FROM noetl.validate('workflow: {step: a}') WHERE severity = 'error';
SELECT message, hint FROM noetl.validate('worklow: [{step: a}]') WHERE severity = 'error';
SELECT message FROM pg_temp.lint(E'- step: ' || repeat('n', 600));
SELECT message FROM pg_temp.lint(E'- step: a', E'path: ' || repeat('n', 2000) || E'\n');

-- Strange values where others belong.
SELECT at, path, message FROM pg_temp.lint($$
- step: a
  type: [python]
  next: [[b], {then: 5}, {else: {step: {x: 1}}}, true, {step: b, then: [a]}]
  on_error: 5
  join: {any: 1}
- step: b
  tool: {kind: {x: 1}}
  retry: [1]
  next: {arcs: 5}
  on_error: nothing
  max_visits: 0
- step: c
  type: workbook
  task: {x: 1}
$$);

-- Hostile sizes end in an issue, not in trouble.
SELECT count(*), min(message) FROM pg_temp.lint(
    (SELECT string_agg(E'- {step: s' || i || ', next: x' || i || E'}\n', '') FROM generate_series(1, 5000) AS i));
SELECT message FROM noetl.validate(
    E'apiVersion: noetl.io/v1\nkind: Playbook\nname: p\nworkflow:\n' ||
    (SELECT string_agg(E'- step: s' || i || E'\n', '') FROM generate_series(1, 20001) AS i));
SELECT message FROM noetl.validate(repeat('# comment', 2000000));
-- Warnings alone never keep a playbook out, however many.
SELECT severity, count(*) FROM pg_temp.lint(
    (SELECT string_agg(E'- {step: s' || i || E', nxet: 1}\n', '') FROM generate_series(1, 2000) AS i))
 GROUP BY severity;
-- A long chain and a long cycle are no trouble either.
SELECT count(*) FROM pg_temp.lint(
    (SELECT string_agg(E'- {step: s' || i || ', next: s' || (i + 1) % 10000 || E'}\n', '')
       FROM generate_series(0, 9999) AS i));
