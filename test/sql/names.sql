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
INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "names/parameters", "workload": {"msg": "100 {% off"}}') RETURNING execution_id AS x \gset
SELECT status, error FROM noetl.execution WHERE execution_id = :x;
SELECT count(noetl.cancel(execution_id)) AS cancelled FROM noetl.execution WHERE status = 'RUNNING';
