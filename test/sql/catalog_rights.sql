-- Paths of the catalog have owners, and who may start their playbooks is granted.
\set SHOW_CONTEXT never
CREATE ROLE regress_author; CREATE ROLE regress_other; CREATE ROLE regress_member IN ROLE regress_author;
CREATE ROLE regress_client; CREATE ROLE regress_team; CREATE ROLE regress_mate IN ROLE regress_team;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute, noetl.grant_execute, noetl.revoke_execute
   TO regress_author, regress_other, regress_client, regress_team;
GRANT INSERT ON noetl.event TO regress_client;
-- Which error a statement ends with: SQLSTATE, message, DETAIL, HINT.
CREATE FUNCTION refusal(statement text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END
$$;
-- A playbook of a path, whose end results in a word.
CREATE FUNCTION book(path text, word text DEFAULT 'done') RETURNS text LANGUAGE sql AS $$
    SELECT format(E'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: %s}\nworkflow: [{step: end, result: %s}]', path, word)
$$;

-- Who registers a path first owns it.
SET ROLE regress_author;
SELECT noetl.register(book('rights/a')) > 0 AS registered;
RESET ROLE;
SELECT * FROM noetl.catalog_path WHERE path LIKE 'rights/%' ORDER BY path;

-- Its members register versions; nobody else does, not even the same text.
SET ROLE regress_member;
SELECT noetl.register(book('rights/a', 'again')) > 0 AS registered;
SET ROLE regress_other;
SELECT * FROM refusal($$SELECT noetl.register(book('rights/a', 'mine'))$$);
SELECT * FROM refusal($$SELECT noetl.register(book('rights/a'))$$);
SELECT * FROM refusal($$SELECT noetl.register(book('elsewhere'), 'rights/a')$$);
SELECT noetl.register(book('rights/b')) > 0 AS another_path_is_free;
RESET ROLE;
SELECT noetl.register(book('rights/a', 'superuser')) > 0 AS registered;
SELECT path, owner, executors FROM noetl.catalog_path WHERE path LIKE 'rights/%' ORDER BY path;
SELECT version FROM noetl.catalog WHERE path = 'rights/a' ORDER BY version;

-- INSERT into the table is the same right.
GRANT INSERT, DELETE, SELECT ON noetl.catalog TO regress_other;
SET ROLE regress_other;
SELECT * FROM refusal($$INSERT INTO noetl.catalog (path, version, content, digest, payload)
    SELECT 'rights/a', 9, content, digest, payload FROM noetl.catalog WHERE path = 'rights/b'$$);
SELECT * FROM refusal($$DELETE FROM noetl.catalog WHERE path = 'rights/a'$$);
INSERT INTO noetl.catalog (path, version, content, digest, payload)
    SELECT 'rights/inserted', 1, content, digest, payload FROM noetl.catalog WHERE path = 'rights/b';
SELECT * FROM refusal($$INSERT INTO noetl.catalog (path, version, content, digest, payload)
    SELECT 'rights/a#end', 1, content, digest, payload FROM noetl.catalog WHERE path = 'rights/b'$$);
RESET ROLE;
SELECT owner FROM noetl.catalog_path WHERE path = 'rights/inserted';

-- PUBLIC may start a playbook, until its owner says otherwise.
SET ROLE regress_client;
SELECT noetl.execute('rights/a') > 0 AS started;
SELECT * FROM refusal($$SELECT noetl.revoke_execute('rights/a', 'public')$$);
SELECT * FROM refusal($$SELECT noetl.grant_execute('rights/a', 'regress_client')$$);
SET ROLE regress_author;
SELECT noetl.revoke_execute('rights/a', 'PUBLIC'), noetl.revoke_execute('rights/a', 'PUBLIC') AS again;
SELECT * FROM refusal($$SELECT noetl.grant_execute('rights/a', 'nobody_of_this_name')$$);
SELECT * FROM refusal($$SELECT noetl.grant_execute('rights/none', 'public')$$);
SELECT * FROM refusal($$SELECT noetl.grant_execute('rights/a#end', 'public')$$);
SELECT noetl.execute('rights/a') > 0 AS the_owner_may;
SET ROLE regress_client;
SELECT * FROM refusal($$SELECT noetl.execute('rights/a')$$);
SELECT * FROM refusal($$INSERT INTO noetl.event (event_type, context) VALUES ('execution_start', '{"path": "rights/a"}')$$);
RESET ROLE;
SELECT format('INSERT INTO noetl.event (event_type, catalog_id) VALUES (%L, %s)', 'execution_start', catalog_id) AS by_id
  FROM noetl.catalog WHERE path = 'rights/a' AND version = 1 \gset
SET ROLE regress_client;
SELECT state, message FROM refusal(:'by_id');
-- A grant counts at once, also in a session that knows the path.
RESET ROLE;
SELECT noetl.grant_execute('rights/a', 'regress_team'), noetl.grant_execute('rights/a', 'regress_team') AS again;
GRANT EXECUTE ON FUNCTION noetl.execute TO regress_mate;
SET ROLE regress_mate;
SELECT noetl.execute('rights/a') > 0 AS a_member_may;
SET ROLE regress_client;
SELECT state, message FROM refusal($$SELECT noetl.execute('rights/a')$$);
RESET ROLE;
SELECT path, owner, executors FROM noetl.catalog_path WHERE path = 'rights/a';
-- One that is rolled back does not.
BEGIN;
SELECT noetl.grant_execute('rights/a', 'regress_client');
SET LOCAL ROLE regress_client;
SELECT noetl.execute('rights/a') > 0 AS started;
ROLLBACK;
SET ROLE regress_client;
SELECT state, message FROM refusal($$SELECT noetl.execute('rights/a')$$);
RESET ROLE;
BEGIN;
SAVEPOINT s;
SELECT noetl.grant_execute('rights/a', 'public');
SET LOCAL ROLE regress_client;
SELECT noetl.execute('rights/a') > 0 AS started;
ROLLBACK TO s;
SET LOCAL ROLE regress_client;
SELECT state, message FROM refusal($$SELECT noetl.execute('rights/a')$$);
ROLLBACK;

-- A child is started by the role of the execution, whoever decides on it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: rights/parent}
workflow:
- {step: start, type: python, code: x, next: call}
- {step: call, type: playbook, path: rights/a, on_error: continue, next: each}
- step: each
  type: iterator
  collection: [1, 2]
  element: n
  on_error: continue
  task: {type: playbook, path: rights/a}
  next: end
- {step: end, result: ["{{ call.error }}", "{{ each }}"]}
$$) > 0 AS registered;
SET ROLE regress_client;
SELECT noetl.execute('rights/parent') AS id \gset
RESET ROLE;
SELECT * FROM work();
SELECT status, jsonb_pretty(result) FROM noetl.execution WHERE execution_id = :id;
SELECT relation, expected, found FROM noetl.verify(:id);
SELECT noetl.grant_execute('rights/a', 'regress_client');
SELECT relation, expected, found FROM noetl.verify(:id);
SET ROLE regress_client;
SELECT noetl.execute('rights/parent') AS id2 \gset
RESET ROLE;
SELECT noetl.revoke_execute('rights/a', 'regress_client') FROM noetl.lease('tester');
INSERT INTO noetl.event (execution_id, event_type, node_name) VALUES (:id2, 'action_completed', 'start');
SELECT status, result -> 0 FROM noetl.execution WHERE execution_id = :id2;
SELECT * FROM noetl.verify(:id2);

-- What is written in a step belongs to the step, whatever path it names.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: rights/inline}
workload: {text: "{apiVersion: noetl.io/v1, kind: Playbook, metadata: {path: rights/a}, workflow: [{step: end, result: inline}]}"}
workflow:
- {step: start, type: playbook, path: rights/a, content: "{{ workload.text }}", next: end}
- {step: end, result: "{{ start }}"}
$$) > 0 AS registered;
SET ROLE regress_client;
SELECT noetl.execute('rights/inline') AS id \gset
RESET ROLE;
SELECT x.path, x.version, x.result FROM noetl.execution x WHERE :id IN (x.execution_id, x.parent_execution_id) ORDER BY x.execution_id;
SELECT path, version FROM noetl.catalog WHERE path LIKE 'rights/%' ORDER BY path, version;
SELECT relation, expected, found FROM noetl.verify(:id);
SELECT count(*) FROM noetl.catalog_path WHERE path LIKE '%#%';
SELECT * FROM refusal($$SELECT noetl.register(book('x'), 'rights/inline#start')$$);
SELECT severity, message, hint FROM noetl.validate(book('"rights/inline#start"'));
-- It has the rights of the path that it is written in.
SELECT noetl.revoke_execute('rights/inline', 'public');
SET ROLE regress_client;
SELECT state, message FROM refusal($$SELECT noetl.execute('rights/inline#start')$$);
RESET ROLE;

-- Versions without a row in noetl.catalog_path, as of a restored older dump: PUBLIC
-- starts them, and the owner of the catalog registers more.
DELETE FROM noetl.catalog_path WHERE path = 'rights/b';
SET ROLE regress_client;
SELECT noetl.execute('rights/b') > 0 AS started;
SET ROLE regress_other;
SELECT state, message FROM refusal($$SELECT noetl.register(book('rights/b', 'next'))$$);
RESET ROLE;
SELECT noetl.register(book('rights/b', 'next')) > 0 AS registered;
SELECT noetl.revoke_execute('rights/b', 'public');
SET ROLE regress_client;
SELECT state, message FROM refusal($$SELECT noetl.execute('rights/b')$$);
RESET ROLE;

REVOKE ALL ON noetl.event, noetl.catalog FROM regress_client, regress_other;
REVOKE ALL ON FUNCTION noetl.register, noetl.execute, noetl.grant_execute, noetl.revoke_execute
  FROM regress_author, regress_other, regress_client, regress_team, regress_mate;
DROP ROLE regress_author, regress_other, regress_member, regress_client, regress_team, regress_mate;
-- Of roles that are gone only superusers and administrators are members.
SELECT count(*) FROM noetl.catalog_path WHERE path LIKE 'rights/%' AND owner::text ~ '^[0-9]+$';
SELECT noetl.register(book('rights/a', 'orphan')) > 0 AS registered;
DROP FUNCTION refusal, book;
