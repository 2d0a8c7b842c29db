\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse
-- Graphs and reports: what they show of runs, of long and foreign texts, and where they end.

-- States that somebody draws: what is no text, number, list or object counts as none.
CREATE FUNCTION pg_temp.drawn(states jsonb) RETURNS text LANGUAGE sql AS $$
SELECT (SELECT string_agg(m[1], ' ') FROM regexp_matches(svg, 'class="node s-(\w+)"', 'g') m) || ' / '
    || coalesce((SELECT string_agg(m[1] || '-' || m[2], ' ') FROM regexp_matches(svg, 'class="edge[^"]* taken[^"]*"[^>]* data-from="(\d+)" data-to="(\d+)"', 'g') m), 'none taken') || ' / '
    || coalesce((SELECT string_agg(m[1], ' ') FROM regexp_matches(svg, '×(\d+)', 'g') m), 'once')
  FROM noetl.draw($q$
apiVersion: noetl.io/v1
kind: Playbook
path: graph/draw
workflow:
- {step: start, next: [a, c]}
- {step: a, type: python, code: x, next: [bb, c]}
- {step: bb, type: python, code: x, next: end}
- {step: c, type: python, code: x, next: end}
- {step: end}
$q$, states) AS svg
$$;
SELECT pg_temp.drawn(states::jsonb) FROM unnest(ARRAY[
    '{"a": {"state": "completed", "visits": 3, "to": ["bb"]}, "start": {"state": "running"}}',
    '{"a": {"state": 5, "visits": "many", "to": [5, null, "b", "cc", "ab", ["bb"]]}}',
    '{"a": {"state": "failed", "to": "bb"}, "bb": [], "c": {"state": "completed"}}',
    '{"a": {"state": 5}}', '{"bb": {"state": "completed"}}', '{"c": {"state": "completed", "visits": 2}}', '{"nowhere": {"state": "failed"}}', '[]', '"completed"']) AS states;
SELECT pg_temp.drawn('{"a": {"state": "two words"}}');
SELECT pg_temp.drawn('{"a": {"state": ""}}');

-- Names and conditions that are long, or foreign; three conditions of one step, of which two are
-- written beside it; attempts and errors of a run.
SELECT noetl.register(format($$
apiVersion: noetl.io/v1
kind: Playbook
path: graph/long
workflow:
- {step: start, next: "a_step_with_a_name_of_more_than_eighteen_letters"}
- step: a_step_with_a_name_of_more_than_eighteen_letters
  type: python
  code: x
  retry: {max_attempts: 2, initial_delay: 0, jitter: false}
  next: [{when: "{{ one == '%s' }}", then: "Müller & Söhne"}, {when: "{{ two < 2 }}", then: fail}, {when: "{{ three }}", then: end}]
  on_error: fail
- {step: "Müller & Söhne", type: python, code: x, next: end}
- {step: fail, type: python, code: "x\ty", next: end}
- {step: end}
$$, repeat('ö', 600))) AS catalog \gset
SELECT noetl.execute('graph/long', '{"text": "a\tb\u0001c"}') AS id \gset
SELECT noetl.fail(queue_id, E'first line\nsecond\tline \u0001 <b>' || repeat('x', 300), 'w') FROM noetl.lease('w', types => '{python}');
SELECT pg_sleep(0.01), noetl.enqueue_next() >= 0;
CREATE FUNCTION pg_temp.plain(text) RETURNS text LANGUAGE sql AS
    $$SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace($1, 'since [^]<]*', 'since (time)', 'g'), '\d{4}-\d\d-\d\d[ T][0-9:.+-]+( UTC)?|[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d [0-9:.]+ \d{4} P[SD]T', '(time)', 'g'), '\d{12,}', '(id)', 'g'), '[0-9.]+ s\M', '(span)', 'g')$$;
SELECT pg_temp.plain(noetl.explain(:'id'));
SELECT noetl.fail(queue_id, E'second failure\nwith <b>', 'w') FROM noetl.lease('w', types => '{python}');
SELECT pg_temp.plain(noetl.explain(:'id'));
SELECT noetl.explain('graph/long', 'mermaid');
SELECT line FROM regexp_split_to_table(noetl.explain('graph/long', 'svg'), '\n') line WHERE line ~ 'class="(label|node)|<title>';
SELECT noetl.explain(:'id', 'svg') ~ 's-failed' AS failed, noetl.explain(:'id', 'svg') ~ '[0-9] s<' AS took, noetl.explain('graph/long', 'svg') ~ '[0-9] s<' AS took_none;
-- The page about it: errors, bars, values and events, without its style and its picture.
CREATE FUNCTION pg_temp.page(id bigint) RETURNS SETOF text LANGUAGE sql AS
    $$SELECT regexp_replace(regexp_replace(replace(pg_temp.plain(line), current_user, '(me)'), '(left|width):[0-9.]+%', '\1:(part)', 'g'), '(_oid&quot;: )\d+', '\1(oid)') FROM regexp_split_to_table(regexp_replace(noetl.report(id), '<style.*</style>|<svg.*</svg>', '', 'g'), '\n') line WHERE line <> ''$$;
SELECT * FROM pg_temp.page(:id);
-- A value that is too large is not shown, but said to be.
SELECT noetl.execute('graph/long', jsonb_build_object('text', repeat('y', 200000))) AS wide \gset
SELECT regexp_replace(line, 'y{100,}', '(many)') FROM pg_temp.page(:wide) line WHERE line ~ 'class="note">workload|y{100}|<h2>';
SELECT DISTINCT m[1] AS class FROM pg_temp.page(:wide) line, regexp_matches(line, 'class="(tag [^"]*|b-[^"]*)"', 'g') m ORDER BY 1;
SELECT noetl.cancel(:wide);

-- More steps than are drawn are told of, and not drawn.
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: graph/large, workflow: [' || string_agg(format('{step: s%s, type: python, code: x, next: s%s}', i, i + 1), ', ') || ', {step: s5001}]}') > 0
  FROM generate_series(1, 5000) i;
SELECT noetl.execute('graph/large') AS large \gset
SELECT noetl.explain('graph/large', 'svg');
SELECT length(noetl.explain('graph/large')) > 10000;
SELECT line FROM pg_temp.page(:large) line WHERE line ~ 'Graph|drawn';
SELECT noetl.cancel(:large);
DELETE FROM noetl.queue WHERE execution_id IN (:wide, :large);

-- A step that has ended is no more in the version to which the execution has moved: nothing of it is drawn.
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: graph/moved, workflow: [{step: a, type: noop, next: b}, {step: b, type: noop, next: c}, {step: c, type: graphmoved, next: d}, {step: d}]}') > 0;
SELECT noetl.execute('graph/moved') AS moved \gset
SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: graph/moved, workflow: [{step: c, type: graphmoved, next: d}, {step: d}]}') > 0;
SELECT step, message FROM noetl.migrate(:moved, 2, '{}', false);
SELECT step, state, visits FROM noetl.progress(:moved) ORDER BY 1;
SELECT m[1] FROM regexp_matches(noetl.report(:moved), '<text[^>]*>([^<]*)</text>', 'g') m;
SELECT regexp_replace(line, '<[^>]*>', '', 'g') FROM regexp_split_to_table(noetl.report(:moved), '\n') line WHERE line ~ '<h2>Graph';
SELECT noetl.cancel(:moved);
DELETE FROM noetl.queue WHERE execution_id = :moved;
