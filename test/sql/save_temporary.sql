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
-- Nor do they by the name of the session's own schema, whatever rights they have ...
SELECT pg_my_temp_schema()::regnamespace AS own \gset
GRANT USAGE ON SCHEMA :own TO regress_noetl_temporary;
GRANT ALL ON kept_here TO regress_noetl_temporary;
SELECT * FROM try('  type: sql
  statement: SELECT * FROM ' || :'own' || '.kept_here');
SELECT * FROM try('  type: python
  code: x
  save: {storage: postgres, statement: "INSERT INTO ' || :'own' || '.kept_here VALUES (1)"}');
-- ... and what they see of them, or change, by other ways is still the session's own afterwards.
DO $$ BEGIN
    FOR i IN 1 .. 100 LOOP
        EXECUTE format('CREATE TEMP TABLE kept_%s (id int PRIMARY KEY, long text)', i);
        EXECUTE format('INSERT INTO kept_%s SELECT 7, string_agg(md5(i::text), '''') FROM generate_series(1, 1000) AS i', i);
        EXECUTE format('ALTER TABLE kept_%s OWNER TO regress_noetl_temporary', i);
    END LOOP;
END $$;
CREATE FUNCTION kept_all() RETURNS TABLE (tables bigint, length bigint) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL enable_seqscan = off;
    FOR i IN 1 .. 100 LOOP
        EXECUTE format('SELECT sum(k.id), sum(length(k.long)) FROM kept_%s AS k WHERE k.id = 7', i) INTO tables, length;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE FUNCTION change_many(own name) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    bytes bigint := 0;
BEGIN
    FOR i IN 1 .. 100 LOOP
        EXECUTE format('ALTER TABLE %I.kept_%s SET (fillfactor = 50)', own, i);
        bytes := bytes + pg_relation_size(format('%I.kept_%s', own, i)::regclass);
    END LOOP;
    RETURN bytes;
END $$;
SELECT * FROM try('  type: sql
  statement: SELECT count(*) AS n FROM pg_class WHERE relpersistence = ''t'' AND pg_relation_size(oid) > 0');
SELECT status FROM noetl.execution WHERE execution_id = newest('temporary/try');
SELECT DISTINCT * FROM kept_all();
SELECT * FROM try('  type: sql
  statement: SELECT public.change_many(''' || :'own' || ''')');
SELECT status FROM noetl.execution WHERE execution_id = newest('temporary/try');
SELECT DISTINCT * FROM kept_all();
SELECT reloptions, count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname ~ '^kept_\d+$' GROUP BY 1;
REVOKE USAGE ON SCHEMA :own FROM regress_noetl_temporary;
DO $$ BEGIN
    FOR i IN 1 .. 100 LOOP
        EXECUTE format('DROP TABLE kept_%s', i);
    END LOOP;
END $$;
DROP FUNCTION kept_all(), change_many(name);
-- A partitioned table depends on itself.
CREATE TEMP TABLE kept_parts (id int) PARTITION BY RANGE (id);
SELECT * FROM try('  type: sql
  statement: SELECT 1 AS one');
SELECT status FROM noetl.execution WHERE execution_id = newest('temporary/try');
SELECT count(*) FROM kept_parts;
DROP TABLE kept_parts;
SELECT who FROM kept ORDER BY 1;
SELECT count(*) FROM kept_here;
SELECT v.* FROM noetl.execution AS x, noetl.verify(x.execution_id) AS v WHERE path = 'temporary/try';
DROP TABLE kept, kept_here;
DROP FUNCTION try(text), begin_step(text);
DROP OWNED BY regress_noetl_temporary;
DROP ROLE regress_noetl_temporary;
