-- Which names templates see, and what becomes of names that nothing has.

-- The input of a step: its own, and what the transition gives, in its other strings.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/input
workload: {amount: 1000, unit: kg}
workflow:
- step: start
  next: {step: weigh, data: {amount: 7, crate: {label: "A'1"}}}
- step: weigh
  type: postgres
  args: {factor: 3, total: "{{ amount * 2 }}"}
  command: "SELECT {{ amount }} * {{ factor }} || '{{ unit }}', {{ crate.label | quote_literal }}, {{ total }}"
  timeout: "{{ factor * 10 }}"
  next: {step: weigh_again, data: {weigh: mine}}
- step: weigh_again
  type: shell
  when: "{{ weigh == 'mine' }}"
  command: "echo {{ weigh }} {{ workload.amount }} {{ args.weigh }}"
$$) > 0 AS registered;
SELECT noetl.execute('names/input') AS x \gset
SELECT action -> 'command' AS command, action -> 'data' AS data, action -> 'args' AS args, timeout FROM noetl.queue;
SELECT step FROM work('{}', 1);
SELECT action -> 'command' AS command FROM noetl.queue;
SELECT step FROM work();

-- A task of the workbook sees what the step gives it, also in its own input.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/workbook
workbook:
- name: ask
  type: http
  url: "http://localhost/{{ topic }}"
  params: {q: "{{ q }}", page: "{{ page }}"}
  args: {asked: "{{ q | upper }}", page: 1}
workflow:
- {step: look, type: workbook, task: ask, data: {q: hello, topic: birds}}
$$) > 0 AS registered;
SELECT noetl.execute('names/workbook') AS x \gset
SELECT action -> 'url' AS url, action -> 'params' AS params, action -> 'data' AS data FROM noetl.queue;
SELECT step FROM work();

-- The task of an iterator, spread over workers or done by one: names of the item win.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/items
workflow:
- step: each
  type: iterator
  mode: distributed
  collection: [{n: a}, {n: b}]
  element: town
  task: {type: shell, args: {town: 1, low: "{{ town.n }}"}, command: "echo {{ town.n }} {{ low }}"}
$$) > 0 AS registered;
SELECT noetl.execute('names/items') AS x \gset
SELECT action -> 'command' AS command, action -> 'data' AS data FROM noetl.queue ORDER BY queue_id;
SELECT step FROM work();
SELECT noetl.task_action(
    '{"type": "http", "url": "http://{{ host }}/{{ town.n }}/{{ up }}", "params": {"q": "{{ up }}"}, "args": {"up": "{{ town.n | upper }}", "host": "{{ site }}"}}',
    '{"site": "h"}', '{"town": {"n": "a"}}', '{}') AS action;
-- What a loop gives to each item is a name there, too.
SELECT noetl.task_action('{"type": "shell", "command": "echo {{ n }} {{ given }}"}', '{}', '{"n": 1}', '{"given": 2}') -> 'command' AS command;

-- A name that nothing has fails the action, and says where it stands.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/unknown
workload: {town: Rome}
workflow:
- step: say
  type: python
  code: x
  args: {town: "{{ wrkload.town }}"}
$$) > 0 AS registered;
SELECT noetl.execute('names/unknown') AS x \gset
SELECT * FROM story('names/unknown');
-- A name that is asked for is optional; a start parameter gives it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/optional
workflow:
- step: say
  type: python
  code: x
  args:
    a: "{{ region | default('eu') }}"
    b: "{% if region is defined %}{{ region }}{% else %}none{% endif %}"
    c: "{{ region or 'eu' }}"
    d: "{{ region if region else 'eu' }}"
$$) > 0 AS registered;
SELECT noetl.execute('names/optional') AS x \gset
SELECT action -> 'data' AS data FROM noetl.queue;
SELECT step FROM work();
SELECT noetl.execute('names/optional', '{"region": "us"}') AS x \gset
SELECT action -> 'data' AS data FROM noetl.queue;
SELECT step FROM work();
-- So do the tasks of a worker's iterator, and its saves; a step that has not run is known.
SELECT noetl.task_action('{"type": "shell", "command": "echo {{ sya }}"}', '{}', '{}', '{}');
SELECT noetl.task_action('{"type": "shell", "command": "echo {{ say }}."}', '{"_undefined": ["say"]}', '{}', '{}') -> 'command' AS command;
SELECT type FROM noetl.save_tasks('{"storage": "http", "url": "http://h/{{ sya }}"}', '{}', '{}');

-- The items of a collection that does not exist.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/collection
workload: {towns: [], mode: worker, none: null}
workflow:
- step: start
  next:
  - {when: "{{ mode == 'worker' }}", then: one}
  - {when: "{{ mode == 'all' }}", then: all}
  - {when: "{{ mode == 'null' }}", then: nothing}
- {step: one, type: iterator, collection: "{{ workload.twons }}", element: t, task: {type: python, code: x}}
- {step: all, type: iterator, mode: distributed, collection: "{{ workload.twons }}", element: t, task: {type: python, code: x}}
- {step: nothing, type: iterator, mode: distributed, collection: "{{ workload.none }}", element: t, task: {type: python, code: x}}
$$) > 0 AS registered;
SELECT noetl.execute('names/collection') AS x \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('names/collection', '{"mode": "all"}') AS x \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT noetl.execute('names/collection', '{"mode": "null"}') AS x \gset
SELECT status, result FROM noetl.execution WHERE execution_id = :x;

-- Start parameters are data, whatever they look like; defaults see them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/parameters
workload:
  msg: ''
  greeting: "Dear {{ who | default('reader') }} of {{ workload.town | default('nowhere') }}"
  line: "{{ greeting }}: {{ price }}"
  price: 1.50
workflow:
- {step: c, type: python, code: x, args: {m: "{{ workload.msg }}", line: "{{ line }}", price: "{{ price }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('names/parameters', '{"msg": "{{ 7 * 7 }}", "who": "Zoe", "town": "a {# b #} c", "price": 0.1000000000000000055511151231257827}') AS x \gset
SELECT data FROM noetl.workload WHERE execution_id = :x;
SELECT action -> 'data' AS data FROM noetl.queue;
SELECT noetl.execute('names/parameters', '{"msg": "please write {{ name } here"}') AS x \gset
SELECT data FROM noetl.workload WHERE execution_id = :x;
-- A path hands a decimal on as it is, from wherever; arithmetic is that of floats.
SELECT noetl.render('["{{ a }}", "{{ m.a }}", "{{ l[-1] }}", "{{ m[''a''] }}", "{{ a + 0 }}", "{{ a }}.", "{{ m }}", "{{ m.b }}"]'::jsonb,
    '{"a": 0.30000000000000000001, "m": {"a": 1.10000000000000000009, "b": 7}, "l": [1, 2.20]}');
SELECT noetl.render('["{{ s.a }}", "{{ s.data.a }}", "{{ s.b }}"]'::jsonb, '{"s": {"a": 1.10, "status": "ok", "data": {"b": 2.20}}}', true);
-- One that is too small or too large for a float is 0 or infinity in arithmetic, and handed on as it is.
SELECT noetl.render('["{{ p < 0.05 }}", "{{ p * 2 }}", "{{ big > 1 }}", "{{ big }}."]'::jsonb, numbers) AS counted,
       noetl.render('["{{ p }}", "{{ big }}"]'::jsonb, numbers) = jsonb_build_array(numbers -> 'p', numbers -> 'big') AS handed_on
  FROM jsonb_build_object('p', 1.5e-400, 'big', repeat('9', 400)::numeric + 0.5) AS numbers;
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "names/parameters", "workload": {"msg": "100 {% off"}}') RETURNING execution_id AS x \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT count(noetl.cancel(execution_id)) AS cancelled FROM noetl.execution WHERE status = 'RUNNING';

-- A switch that is left out does not skip the step; the log says why it had no effect.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/pass
workload: {x: 1}
workflow:
- {step: calc, type: python, code: x, pass: "{{ workload.skip.calc }}", next: idle}
- {step: idle, pass: "{{ workload.skip.idle }}", next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('names/pass') AS x \gset
SELECT step FROM work();
SELECT event_type, node_name, meta - '{transitions,started_by,started_by_oid}'::text[] AS meta FROM noetl.event WHERE execution_id = :x ORDER BY event_id;
SELECT * FROM noetl.verify(:x);

-- What became of the conditions of start is told by the end of the execution.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/start
workload: {size: 3}
workflow:
- step: start
  next:
  - {when: "{{ settings.state == 'ready' }}", then: busy}
  - {when: "{{ size > 2 }}", then: big}
  - {else: end}
- {step: busy, type: python, code: x, next: end}
- {step: big, type: python, code: x, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.execute('names/start') AS x \gset
SELECT step FROM work();
SELECT * FROM story('names/start');
SELECT * FROM noetl.verify(:x);
SELECT noetl.execute('names/start', '{"size": 1}') AS x \gset
SELECT * FROM story('names/start');
SELECT * FROM noetl.verify(:x);
SELECT noetl.execute('names/start', '{"size": "1 {"}') AS x \gset
SELECT * FROM story('names/start');

-- A child without a result: the value of its last step that did something.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/child
workflow:
- {step: first, type: python, code: x, next: second}
- {step: second, type: python, code: x, next: third}
- {step: third, next: end}
- step: end
$$) > 0 AS registered;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/parent
workflow:
- {step: call, type: playbook, path: names/child, next: named}
- {step: named, type: playbook, path: names/child, return_step: first, next: end}
- {step: end, result: {call: "{{ call }}", named: "{{ named }}", id: "{{ execution_id is string }}", job: "{{ job.id is string }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('names/parent') AS x \gset
SELECT step FROM work('{"first": {"n": 1}, "second": {"n": 2}}');
SELECT result FROM noetl.execution WHERE execution_id = :x;

-- Identifiers inside JSON are text.
SELECT DISTINCT jsonb_typeof(context -> 'child_execution_id') AS started, jsonb_typeof(meta -> 'child_execution_id') AS ended,
       jsonb_typeof(noetl.status(execution_id) -> 'execution_id') AS status
FROM noetl.event WHERE execution_id = :x AND (context ? 'child_execution_id' OR meta ? 'child_execution_id') ORDER BY 1;

-- x | tojson as the input of a program: the value; elsewhere, the text.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/tojson
workload: {profile: {name: Zoe, years: 4}}
workflow:
- step: start
  next: [{step: read, data: {given: "{{ workload.profile | tojson }}"}}, {step: other, data: {given: "{{ workload.profile | tojson }}"}}]
- {step: read, type: python, code: x, args: {profile: "{{ workload.profile | tojson }}", text: "p {{ workload.profile | tojson }}", bad: "{{ 'x' | upper }}"}}
- {step: other, type: shell, command: x, args: {profile: "{{ workload.profile | tojson }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('names/tojson') AS x \gset
SELECT node_name, action -> 'data' AS data FROM noetl.queue ORDER BY queue_id;
SELECT step FROM work();
SELECT noetl.task_action('{"type": "python", "code": "x", "args": {"p": "{{ p | tojson }}"}}', '{"p": {"a": 1}}', '{}', '{}') -> 'data' AS data;

-- Saves: into JSON and text columns; their own parameters; the step by its name.
CREATE TABLE names_saved (id text PRIMARY KEY, j jsonb, t text, js json);
CREATE ROLE regress_names;
GRANT ALL ON names_saved TO regress_names;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_names;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/save
workflow:
- step: calc
  type: python
  code: x
  save:
  - storage: postgres
    table: public.names_saved
    data: {id: rows, j: "{{ result | tojson }}", t: "{{ result | tojson }}", js: "{{ calc }}"}
  - storage: postgres
    statement: "INSERT INTO public.names_saved VALUES ('{{ params.id }}', $j${{ params.v }}$j$, '{{ id }} {{ calc.n }} {{ step.data.n }}')"
    params: {id: "k{{ result.n }}", v: "{{ result | tojson }}"}
$$) > 0 AS registered;
SET ROLE regress_names;
SELECT noetl.execute('names/save') AS x \gset
RESET ROLE;
SELECT step FROM work('{"calc": {"n": 3, "q": "it''s"}}');
SELECT event_type, error FROM noetl.event WHERE execution_id = :x AND error IS NOT NULL;
SELECT id, jsonb_typeof(j) AS j, t, json_typeof(js) AS js FROM names_saved ORDER BY id DESC;
DROP TABLE names_saved;
DROP OWNED BY regress_names;
DROP ROLE regress_names;
-- The same on a worker, which knows the name of the step; and commands of a duckdb save.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/worker_save
workflow:
- {step: calc, type: python, code: x, save: {storage: http, url: "http://h/{{ calc.n }}/{{ step.n }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('names/worker_save') AS x \gset
SELECT (noetl.save_tasks(action -> 'save', context, '{"result": {"n": 3}, "this": {"status": "success", "data": {"n": 3}}}')).action FROM noetl.queue;
SELECT step FROM work();
SELECT type, action FROM noetl.save_tasks('{"storage": {"tool": "duckdb", "commands": "CREATE TABLE seen AS SELECT {{ result.n }} AS n;\nSELECT * FROM seen"}}', '{}', '{"result": {"n": 3}}');
SELECT type, action FROM noetl.save_tasks('{"storage": "duckdb", "commands": ["SELECT {{ params.n }}"], "params": {"n": 1}}', '{}', '{}');

-- An event of a type that nothing knows is kept, and says that it had no effect.
INSERT INTO noetl.event (execution_id, event_type, meta) VALUES (:x, 'steo_completed', '{"by": "me"}');
SELECT event_type, meta FROM noetl.event WHERE execution_id = :x ORDER BY event_id DESC LIMIT 1;

-- Names that only a worker has: the broker leaves the strings, and says where they are.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/env
workload: {host: "{{ env.NO_SUCH_HOST | default('localhost') }}", port: 1, given: ''}
workflow:
- {step: start, next: {step: calc, data: {user: "{{ env.USER }}"}}}
- step: calc
  type: python
  code: x
  args: {host: "{{ workload.host }}", url: "{{ host }}:{{ port }}", given: "{{ given }}", list: [1, "{{ env.USER }}"]}
  note: "{{ user }} {{ host }} {{ port }}"
  save: {storage: http, url: "http://{{ workload.host }}/{{ result.n }}/{{ user }}"}
$$) > 0 AS registered;
-- Data that looks the same is not rendered.
SELECT noetl.execute('names/env', '{"given": "{{ env.USER }}"}') AS x \gset
SELECT action -> 'data' AS data FROM noetl.queue;
SELECT context - 'workload' AS context FROM noetl.queue;
SELECT l.rendered_action -> 'data' AS data, l.rendered_action -> 'note' AS note, (noetl.save_tasks(l.rendered_action -> 'save', l.rendered_context, '{"result": {"n": 3}}')).action
FROM noetl.queue q, noetl.render_left(q.action, q.context, '{"env": {"USER": "zoe"}}') l;
SELECT l.* FROM noetl.queue q, noetl.render_left(q.action, q.context, '{}') l;
SELECT l.* FROM noetl.queue q, noetl.render_left(q.action, q.context, '{"env": {}}') l;
SELECT step FROM work();
-- A string that refers to the input as a whole is left with it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/env_input
workload: {host: "{{ env.HOST | default('localhost') }}"}
workflow:
- step: calc
  type: python
  code: x
  note: "{{ data.url }} {{ input.url }} {{ args['url'] }}"
  data: {url: "{{ host }}:1"}
  save: {storage: http, url: "{{ env.MISSING }}/{{ env.HOST }}"}
$$) > 0 AS registered;
SELECT noetl.execute('names/env_input') AS x \gset
SELECT l.rendered_action -> 'note' AS note, l.rendered_context - 'workload' AS context
FROM noetl.queue q, noetl.render_left(q.action, q.context, '{"env": {}}') l;
SELECT (noetl.save_tasks(l.rendered_action -> 'save', l.rendered_context, '{}')).action
FROM noetl.queue q, noetl.render_left(q.action, q.context, '{"env": {"HOST": "h"}}') l;
SELECT (noetl.save_tasks(l.rendered_action -> 'save', l.rendered_context, '{}')).action
FROM noetl.queue q, noetl.render_left(q.action, q.context, '{"env": {"HOST": "h", "MISSING": "m"}}') l;
SELECT step FROM work();
-- The broker itself cannot render them.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: names/env_child
workflow:
- {step: call, type: playbook, path: names/child, args: {user: "{{ env.USER }}"}}
$$) > 0 AS registered;
SELECT noetl.execute('names/env_child') AS x \gset
SELECT error FROM noetl.execution WHERE execution_id = :x;
-- Neither can it where a default of the workload or a transition has such a name: the text with its braces goes nowhere.
-- Other keys of that workload are known.
CREATE FUNCTION left_to(step text) RETURNS TABLE (status text, error text, result jsonb) LANGUAGE plpgsql AS $f$
DECLARE x bigint;
BEGIN
    PERFORM noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: names/env_left\n'
        'workload: {host: "{{ env.HOST }}", deep: {host: "{{ env.HOST }}"}, n: 3}\nworkflow:\n' || step);
    x := noetl.execute('names/env_left');
    RETURN QUERY SELECT e.status::text, e.error, CASE e.status WHEN 'COMPLETED' THEN noetl.status(x) -> 'result' END FROM noetl.execution e WHERE e.execution_id = x;
    PERFORM FROM noetl.verify(x);
    IF FOUND THEN RAISE 'verify finds something'; END IF;
END $f$;
SELECT * FROM left_to($$
- {step: a, next: [{when: "{{ workload.host == 'h' }}", then: end}]}
$$);
SELECT * FROM left_to($$
- {step: a, type: noop, next: [{when: "host == 'h'", then: end}]}
$$);
SELECT * FROM left_to($$
- {step: a, type: noop, when: "{{ workload['deep'].host }}", next: end}
$$);
SELECT * FROM left_to($$
- {step: a, next: [{when: "{{ workload.n == 3 and env is defined }}", then: b}, {else: end}]}
- {step: b, next: end}
- {step: end, result: "{{ work.n }}"}
$$);
SELECT * FROM left_to($$
- {step: end, result: {host: "{{ context.deep.host }}"}}
$$);
SELECT * FROM left_to($$
- {step: a, type: playbook, path: names/child, args: {user: "{{ workload }}"}}
$$);
SELECT * FROM left_to($$
- {step: a, next: {step: b, data: {h: "{{ deep.host }}"}}}
- {step: b, type: wait, signal: "{{ h }}"}
$$);
SELECT * FROM left_to($$
- {step: a, type: save, save: {storage: postgres, statement: "SELECT :h::text, '{{ host }}'", params: {h: 1}}}
$$);
SELECT * FROM left_to($$
- {step: a, type: iterator, mode: distributed, collection: [1], element: host, where: "{{ host == workload.host }}", task: {type: sql, statement: "SELECT 1"}}
$$);
SELECT * FROM left_to($$
- {step: a, type: iterator, mode: distributed, collection: [1], element: host, where: "{{ host == workload.n }}", task: {type: sql, statement: "SELECT 1"}, next: end}
- {step: end, result: "{{ a }}"}
$$);
-- .results of a list of values.
SELECT noetl.render('["{{ each.results }}", "{{ each.data }}", "{{ each.results | length }}", "{{ one.results }}"]'::jsonb, '{"each": [1, 2], "one": {"a": 1}}', true);
