-- Warnings of what registers but cannot be what the author meant, and their hints.
CREATE FUNCTION pg_temp.check(steps text, head text DEFAULT '') RETURNS TABLE (issue text) LANGUAGE sql AS $$
    SELECT format('%s %s:%s %s: %s -- %s', severity, line, col, path, message, hint)
    FROM noetl.validate(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: lint\n' || head || E'workload: {town: Rome, towns: []}\nworkflow:\n' || steps)
$$;
-- Names.
SELECT * FROM pg_temp.check($$
- {step: say, type: python, code: x, args: {a: "{{ wrkload.town }}", b: "{{ town }}", c: "{{ tonw | default('x') }}", d: "{{ region | default('eu') }}"}, next: [{when: "{{ sya == 1 }}", then: more}]}
- {step: more, type: shell, command: "{{ cargo }} {{ nothing }}", args: {cargo: 1}, next: {step: last, data: {box: 1}}}
- {step: last, type: shell, command: "{{ box }} {{ env.HOME }} {{ result }} {{ event.name }}", save: {storage: http, url: "{{ result }} {{ last.x }} {{ box }}"}}
$$);
SELECT * FROM pg_temp.check($$
- step: each
  type: iterator
  collection: "{{ towns }}"
  element: place
  where: "{{ place.x and index > 0 }}"
  order_by: age
  task: {type: http, url: "{{ place.url }}/{{ _loop.index }}/{{ q }}/{{ plcae }}", args: {q: 1}, save: {storage: event, data: "{{ response }}"}}
  save: {storage: http, url: "{{ results }} {{ count }}"}
  retry: {retry_when: "{{ status_code == 503 and atempt < 2 }}"}
- {step: over, type: python, code: x, input: "{{ towns }}", args: {a: "{{ anything }}"}}
$$);
SELECT * FROM pg_temp.check($$- {step: a, type: python, code: x, args: {a: "{{ spec.x }} {{ steps.a }}"}}$$, E'spec: {x: 1}\n');
-- Types, and keys that are nearly right.
SELECT * FROM pg_temp.check($$
- {step: a, type: pyhton, code: x, retry: {max_atempts: 3}, next: b}
- {step: b, tool: postgress, command: x, save: {storage: postgres, tabel: t, data: {}}, next: c}
- {step: c, type: python, code: x, loop: {in: "{{ towns }}", elemnt: t, iterator: t}, timeuot: 3, next: d}
- {step: d, type: my_own_type, set: 1, on_eror: continue}
$$, E'workbok: []\n');
-- Saves that cannot work.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: x, save: {storage: paper, data: {}}, next: b}
- {step: b, type: python, code: x, save: {storage: {kind: duckdb, auth: d}, data: {}}, next: c}
- {step: c, type: python, code: x, save: {storage: "{{ town }}", data: {}}, next: d}
- {step: d, type: python, code: x, save: {storage: {tool: duckdb, commands: "SELECT 1"}}}
$$);
-- Numbers.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: x, retry: {max_attempts: 0, initial_delay: -1, max_delay: 'nan', backoff_multiplier: -2}, next: b}
- {step: b, type: python, code: x, retry: {max_attempts: 3, initial_delay: 0, max_delay: "{{ town }}"}}
$$);
-- Other engines, and NoETL v2.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: x, case: [{when: "{{ event.name == 'step.exit' }}", then: {next: [{step: b}]}}], set: {x: 1}, vars: {y: 2}, next: b}
- {step: b, type: python, code: x, delay: 5, rate_limit: 3, depends_on: [a], if: "true", retries: 3}
$$, E'keychain: []\nschedule: daily\nvars: {}\n');
SELECT * FROM pg_temp.check($$
- step: a
  tool: [{name: get, kind: python, code: x}, {name: put, kind: python, code: x}]
$$);
SELECT * FROM pg_temp.check($$- {step: a, type: shell, command: "{{ .Values.x }}"}$$);
SELECT * FROM pg_temp.check($$- {step: a, type: shell, command: "{{- if .x }}a{{ end }}"}$$);
-- Without a step "end" the branch ends there.
SELECT * FROM pg_temp.check($$- {step: a, type: python, code: x, next: end}$$);
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: lint/end\nworkflow:\n- {step: a, type: python, code: x, next: [{when: "{{ result.n }}", then: end}, {else: [b]}]}\n- {step: b, type: python, code: x, next: end}') IS NOT NULL AS registered;
SELECT noetl.execute('lint/end') AS x \gset
SELECT step FROM work('{"a": {"n": 1}}');
SELECT * FROM story('lint/end');
SELECT noetl.execute('lint/end') AS x \gset
SELECT step FROM work('{"a": {"n": 0}}');
-- Blanks.
SELECT * FROM pg_temp.check($$-step: a$$);
SELECT * FROM pg_temp.check(E'- step: a\n\ttype: python');
