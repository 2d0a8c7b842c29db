-- A decision needs a row that a user's statement has deleted meanwhile: an error
-- that says which row is missing and what to do.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: missing_rows/one
workflow:
- step: only
  type: python
  code: x
$$) > 0 AS registered;

-- The deletion happens between reading the row and changing it.
CREATE FUNCTION delete_meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM noetl.execution WHERE execution_id = new.execution_id;
    RETURN new;
END
$$;

-- Completes the task and shows the error, without ids.
CREATE FUNCTION complete_error() RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM noetl.complete(queue_id, NULL, 'tester')
       FROM noetl.queue WHERE execution_id = newest('missing_rows/one');
    message := 'no error';
    RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    message := regexp_replace(message, '\d+', '<id>');
    RETURN NEXT;
END
$$;

SELECT noetl.execute('missing_rows/one') > 0 AS started;
SELECT node_name FROM noetl.lease('tester');
\x on
CREATE TRIGGER meanwhile BEFORE INSERT ON noetl.event FOR EACH ROW
    WHEN (new.event_type = 'execution_complete') EXECUTE FUNCTION delete_meanwhile();
SELECT * FROM complete_error();
DROP TRIGGER meanwhile ON noetl.event;

-- The statement failed, so nothing is gone.  What the hint says helps when it is.
DELETE FROM noetl.execution WHERE execution_id = newest('missing_rows/one') RETURNING execution_id \gset
SELECT noetl.rebuild(:execution_id) IS NOT NULL AS rebuilt;
SELECT * FROM complete_error();
SELECT status FROM noetl.execution WHERE execution_id = :execution_id;
\x off
DROP FUNCTION complete_error();
DROP FUNCTION delete_meanwhile();
