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
-- What no number of JSON can be is an error with its place.
SELECT * FROM pg_temp.check($$- {step: a, type: python, code: x, retry: {initial_delay: .nan, max_delay: .inf}, next: end}$$);
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
-- What is inside an iterator, the workbook, or a map that is a tool.
SELECT * FROM pg_temp.check($$
- {step: a, type: iterator, collection: [1], element: n, mode: async, concurency: 2, limit: -1, chunk: 0, next: b,
   task: {tool: pyton, cod: x, retry: {atempts: 2, max_attempt: 3}, save: {storage: postgrs}}}
- {step: b, tool: iterator, collection: [1], element: n, next: c, task: [{tool: shell, command: x, delay: 5}, {tool: {kind: http, url: x, needs: a}}]}
- {step: c, tool: {kind: python, code: x, vars: {y: 1}}, retry: 0, next: d}
- {step: d, tool: workbook, task: used}
$$, E'workbook:\n- {name: used, tool: python, code: x, wait: 3}\n- {name: idle, tool: shel, comand: x}\n');
-- NoETL v2.
SELECT * FROM pg_temp.check($$
- {step: a, tool: {kind: python, code: x}, spec: {policy: {}}, loop: {in: [1], iterator: n, spec: {mode: parallel}}, next: {arcs: [{step: b, set: {x: 1}}]}}
- {step: b, tool: {kind: container, spec: {image: x}}}
$$);
-- Keys of the document that nothing reads.
SELECT * FROM pg_temp.check($$- {step: a, type: python, code: x}$$, E'setings: {}\nworklaod: {}\nrate_limit: 5\ncase: []\nsecrets: {}\n');
-- Secrets have no names in templates; a connection may stand under data.
SELECT * FROM pg_temp.check($$
- {step: a, type: http, url: x, auth: {type: basic, username: "{{ env.NAME }}", password: "{{ secrets.word }}"}, headers: {k: "{{ keychain.k }} {{ secret.s | default('') }}"}, next: [b, c, d, e, f]}
- {step: b, type: postgres, command: SELECT 1, data: {n: 1, db_host: localhost, db_password: x}}
- {step: c, type: workbook, task: store, data: {dsn: x}}
- {step: d, type: duckdb, command: SELECT 1, data: {database: x}}
- {step: e, type: postgres, auth: pg, command: SELECT 1, data: {db_host: x}}
- {step: f, type: postgres, command: SELECT 1, with: {db_host: x}}
$$, E'workbook:\n- {name: store, type: postgres, command: SELECT 1}\n');
-- Transitions without a target.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: x, on_error: {stp: b}, next: [{when: "{{ result }}", thn: [b]}, {els: [b]}]}
- {step: b, type: python, code: x, on_error: contine, next: ennd}
- step: c
  next:
    -step: a
$$);
-- A template of Go of which every name is known.
SELECT * FROM pg_temp.check($$
- {step: a, type: shell, command: "{{ range .items }}x{{ end }}", next: end}
- {step: end}
$$);
-- What has no effect does not fail a step either.
SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: lint/case\nworkflow:\n- {step: a, type: python, code: x, case: [{when: "{{ event.name }}"}]}') IS NOT NULL AS registered;
SELECT noetl.execute('lint/case') AS x \gset
SELECT step FROM work('{"a": 1}');
SELECT * FROM story('lint/case');
-- Keys that only tasks of a type have, and tasks that do not say what they do.
SELECT * FROM pg_temp.check($$
- {step: a, type: http, ulr: "http://x", next: b}
- {step: b, type: python, scrpt: x, next: c}
- {step: c, type: postgres, sqls: "SELECT 1", ath: x, next: d}
- {step: d, type: duckdb, args: {query: "SELECT 1"}, databse: x, next: e}
- {step: e, type: playbook, path: p, retrun_step: x, vesion: 3, next: named}
- {step: named, type: workbook, tsk: other, next: f}
- {step: f, type: shell, script: x, next: g}
- {step: g, type: noop, code: x, next: h}
- {step: h, type: router, url: x, next: i}
- {step: i, type: "{{ town }}", code: x, next: j}
- {step: j, type: wait, for: -5, next: k}
- {step: k, type: wait, for: "-2 minutes", result: 1, next: l}
- {step: l, type: python, code: x, result: "{{ l }}"}
$$, E'metadata: {nam: x}\nworkbook: [{name: named, type: python, code: x}]\n');
-- Program text and keys of maps are not rendered; braces of a program's own are left alone.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: "def main(): return '{{ workload.town }}'", next: b}
- {step: b, type: postgres, code: "SELECT '{{town}}'", next: c}
- {step: c, type: python, args: {"{{ town }}": 1, deep: [{"a{{ b }}": 1}]}, code: "f'{{x}} {{{y}}} {{ x }}'", next: d}
- {step: d, type: my_own_type, code: "{{ workload.town }}"}
$$);
-- Transitions, loops and saves with keys that nobody reads.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: x, next: [{if: "{{ town }}", step: b}, {step: b, weight: 3, on: error, name: main way}]}
- {step: b, type: python, code: x, next: {spec: {mode: exclusive, policy: x}, arcs: [{step: c, set: {a: 1}}], arc: []}}
- {step: c, type: python, code: x, args: {t: "{{ t }}"}, loop: {in: "{{ towns }}", iterator: t, batch_size: 3, max_concurrency: 2, spec: {}, whre: x, colour: red}, next: d}
- {step: d, type: python, code: x, save: {table: t, data: {a: 1}}, next: e}
- {step: e, type: python, code: x, save: {storage: postgres, table: t, data: {a: 1}, on_conflict: a, schema: s}, next: f}
- {step: f, type: python, code: x, save: [{storage: http, data: {a: 1}}, true, {storage: event}], next: g}
- {step: g, type: iterator, collection: [1], element: x, limit: ten, chunk: 1.5, concurrency: "{{ town }}", task: {type: python, code: x}}
$$, E'on: push\nconcurrency: 3\ntriggers: []\n');
-- What only workers know, where the broker renders.
SELECT * FROM pg_temp.check($$
- {step: a, type: noop, when: "{{ env.A }}", next: [{when: "env.B == 1", then: b}, {when: "{{ env is defined }}", then: b}]}
- {step: b, type: sql, statement: "SELECT :c", params: {c: "{{ env.C }}"}, next: c}
- {step: c, type: playbook, path: p, args: {d: "{{ env.D }}"}, next: d}
- {step: d, type: shell, command: "{{ env.E }}", save: {storage: http, url: "{{ env.F }}"}, retry: {retry_when: "{{ env.G }}"}, next: e}
- {step: e, type: wait, signal: "{{ env.H }}", next: end}
- {step: end, result: "{{ env.I }}"}
$$);
-- Keys of transitions that others hide, and a spec that says nothing.
SELECT * FROM pg_temp.check($$
- {step: a, next: [{when: "{{ town }}", condition: "{{ towns }}", step: b}, {when: "{{ town }}", then: b, step: c, else: c}, {else: [{step: c, name: that}]}]}
- {step: b, next: {spec: exclusive, arcs: [{step: c}, {step: d}]}}
- {step: c, next: [{condition: "{{ town }}", then: [d]}, {when: "{{ town }}", step: d, else: [end]}]}
- {step: d}
$$);
-- Conditions that are text, and those that are not.
SELECT * FROM pg_temp.check($$
- {step: a, type: python, code: x, when: "{{ town }} == 5", pass: "not {{ town }}", retry: {retry_when: "${{ status_code }}", stop_when: " {{ attempt > 3 }} "}, next: [{when: "{{ town }} and {{ towns }}", step: b}, {when: "{{ '}}' ~ town }}", step: b}, {when: "{{ '\\'}}' ~ town }}", step: b}]}
- {step: b, when: "{% if town %}yes{% endif %}{# {{ town }} #}", pass: "{{ town }}{{ towns }}", next: [{when: "{{ {'a': {'b': 1}}.a.b }}", step: end}]}
$$);
-- Keys and types of other engines, on all steps that are ours.
SELECT * FROM pg_temp.check($$
- {step: a, type: http, url: x, verb: POST, query_params: {a: 1}, max_retries: 3, retry_policy: {max_attempts: 3}, retryStrategy: {limit: 3}, trigger_rule: all_done, next: b}
- {step: b, type: python, code: x, compensation: {type: python, code: x}, timeout-minutes: 3, continue-on-error: true, dependsOn: a, kwargs: {a: 1}, next: c}
- {step: c, type: sql, statement: SELECT 1, if: "{{ nobody.knows }}", retries: 3, next: d}
- {step: d, type: iterator, collection: "{{ towns }}", element: t, batch_size: 2, max_parallel: 3, until: "{{ t }}", retries: 3, task: {type: sql, statement: SELECT 1, if: "{{ t }}"}, next: e}
- {step: e, type: python, code: x, loop: {in: "{{ towns }}", iterator: t, until: "{{ t }}", enumerate: true}, next: f}
- {step: f, type: playbook, path: p, parameters: {a: 1}, next: g}
- {step: g, type: bash, bash_command: x, next: h}
- {step: h, type: sleep, seconds: 1, next: i}
- {step: i, type: my_own_type, verb: POST, max_retries: 3}
$$);
-- Names with dashes, and the error in a handler.
SELECT * FROM pg_temp.check($$
- {step: load-all-rows, type: python, code: x, args: {k: "{{ town-hall }}"}, on_error: {step: tell}, next: b}
- {step: b, type: python, code: x, args: {a: "{{ load-all-rows.n }}", b: "{{ rows-al }}", c: "{{ results['load-all-rows'].n }}"}}
- {step: tell, type: python, code: x, args: {why: "{{ error }}"}}
$$);
