-- Temporary objects belong to a session: the saves and statements that the broker executes in it
-- for others do not find them.  PostgreSQL with assertions lets nobody hide them, so that such a
-- session executes none there: expected/save_temporary_1.out.
SET client_min_messages = error;
CREATE TABLE kept (who text);
CREATE ROLE regress_noetl_temporary;
ALTER TABLE kept OWNER TO regress_noetl_temporary;
GRANT INSERT ON noetl.event TO regress_noetl_temporary;
GRANT EXECUTE ON FUNCTION noetl.register, noetl.execute TO regress_noetl_temporary;
-- Registers "temporary/try" with a step and starts it, as an ordinary role.
CREATE FUNCTION begin_step(keys text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\npath: temporary/try\nworkflow:\n- step: a\n' || keys);
    SELECT noetl.execute('temporary/try')
$$;
ALTER FUNCTION begin_step OWNER TO regress_noetl_temporary;
CREATE FUNCTION try(keys text) RETURNS TABLE (event text, why text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM begin_step(keys);
    PERFORM * FROM work('{"a": {"id": 1}}') WHERE keys LIKE '%save:%';
    RETURN QUERY SELECT e.event_type, e.error FROM noetl.event e
      WHERE e.execution_id = newest('temporary/try') AND e.event_type IN ('save_failed', 'save_completed', 'action_error', 'action_completed')
        AND (e.error IS NOT NULL OR e.event_type = 'save_completed') ORDER BY e.event_id;
END
$$;
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, table: public.kept, data: {who: before}}');
CREATE TEMP TABLE kept_here (id int);
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, table: pg_temp.kept_here, data: {id: 1}}');
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, statement: "INSERT INTO kept_here VALUES (1)"}');
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, statement: "INSERT INTO public.kept (who) SELECT max(id) FROM kept_here"}');
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, table: kept_here, data: {id: 1}}');
SELECT * FROM try('  type: sql
  statement: SELECT * FROM kept_here');
SELECT * FROM try('  type: sql
  statement: SELECT * FROM pg_temp.kept_here');
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, table: public.kept, data: {who: beside}}');
SELECT who FROM kept ORDER BY 1;
SELECT count(*) FROM kept_here;
SELECT v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE path = 'temporary/try';
DROP TABLE kept, kept_here;
DROP FUNCTION try(text), begin_step(text);
DROP OWNED BY regress_noetl_temporary;
DROP ROLE regress_noetl_temporary;
