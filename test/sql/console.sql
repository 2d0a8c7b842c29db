-- What noetl-console needs of the extension: the graph of a text that is not
-- registered, and a session that sleeps until something has happened.
\set VERBOSITY terse
SET noetl.broker = on;
\set text `printf '%s\n' 'apiVersion: noetl.io/v1' 'kind: Playbook' 'metadata: {path: drawn}' 'workflow:' '- step: start' '  next: a' '- step: a' '  tool: python' '  code: x' '  next:' '  - when: "{{ a.n > 3 }}"' '    then: [b]' '  - else: [end]' '- step: b' '  tool: shell' '  command: x' '  next: end' '- step: end'`

-- The lines that say something of a graph.
CREATE FUNCTION lines_of(svg text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT regexp_replace(line, ' (marker-end|transform|d|x|y|width|height|rx)="[^"]*"', '', 'g')
      FROM regexp_split_to_table(svg, E'\n') AS line WHERE line ~ '^<(path|g|text) '
$$;

-- Without states it is a graph of what can happen.
SELECT lines_of(noetl.draw(:'text'));
SELECT count(*) FROM noetl.catalog WHERE path = 'drawn';

-- With states it shows the way that was taken; the entry leads to what has a state.
SELECT lines_of(noetl.draw(:'text', '{"a": {"state": "completed", "visits": 2, "to": ["b"]}, "b": {"state": "failed"}}'));

-- What no step has, and what says nothing, is ignored.
SELECT noetl.draw(:'text', '{"nobody": {"state": "completed"}, "a": 1, "b": {"to": "end"}, "end": {"to": [1, null]}}') = noetl.draw(:'text');
SELECT noetl.draw(:'text', '[]') = noetl.draw(:'text');

-- A state becomes a class, so it is a word.
SELECT noetl.draw(:'text', '{"a": {"state": "\"><script>"}}');
SELECT noetl.draw(:'text', '{"a": {"state": ""}}');
SELECT noetl.draw('workflow: {');

-- Authors draw, clients and readers wait.
SELECT noetl.create_roles();
SELECT role, has_function_privilege(role, 'noetl.draw(text, jsonb)', 'EXECUTE') AS draws,
       has_function_privilege(role, 'noetl.wait_for_change(interval, boolean)', 'EXECUTE') AS waits
  FROM unnest('{noetl_client,noetl_reader,noetl_author,noetl_worker,noetl_admin}'::text[]) AS role;

-- Where nothing happens, the time ends the sleep; a transaction would hold up others.
CALL noetl.wait_for_change('1 ms');
BEGIN;
CALL noetl.wait_for_change('1 ms');
ROLLBACK;
DROP FUNCTION lines_of(text);
