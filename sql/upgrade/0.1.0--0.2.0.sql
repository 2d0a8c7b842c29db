-- What sql/upgrade/generate cannot know: how the objects of 0.1.0 become those of
-- 0.2.0.  Three sections; the parts of sql/noetl come between them.

-- section: before
-- Rights that were given are given again at the end, by those who gave them.
CREATE TEMPORARY TABLE noetl_given AS
    SELECT 'ROUTINE'::text AS kind, p.proname::text AS name, NULL::name AS attribute, p.proowner AS owner, a.*
      FROM pg_catalog.pg_proc AS p CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
     WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace AND a.grantee NOT IN (0, p.proowner)
    UNION
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, NULL, c.relowner, a.*
      FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') AND a.grantee NOT IN (0, c.relowner)
    UNION
    SELECT 'TABLE', c.relname, t.attname, c.relowner, a.*
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS t ON t.attrelid = c.oid
     CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) AS a
     WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND NOT t.attisdropped AND a.grantee NOT IN (0, c.relowner)
    UNION
    SELECT 'SCHEMA', n.nspname, NULL, n.nspowner, a.*
      FROM pg_catalog.pg_namespace AS n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a
     WHERE n.nspname = 'noetl' AND a.grantee NOT IN (0, n.nspowner);
-- Who has given them does not keep the rest of the script from taking them back.
DO LANGUAGE plpgsql $$
DECLARE
    command pg_catalog.text;
BEGIN
    FOR command IN
        SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', g.kind,
                   CASE g.kind WHEN 'SCHEMA' THEN 'noetl' ELSE pg_catalog.format('noetl.%I', g.name) END,
                   pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)))
          FROM pg_temp.noetl_given AS g WHERE g.kind <> 'ROUTINE' AND g.grantor = g.owner
    LOOP
        EXECUTE command;
    END LOOP;
END
$$;

DROP TRIGGER event_before ON noetl.event;
DROP TRIGGER event_after ON noetl.event;
DROP TRIGGER catalog_guard ON noetl.catalog;

-- Partitions are no members any more, and have indexes of their own only.
CREATE TEMPORARY TABLE noetl_partition AS
    SELECT c.oid::pg_catalog.regclass AS leaf, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bounds
      FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'noetl.event'::pg_catalog.regclass;
CREATE TEMPORARY TABLE noetl_terminal AS
    SELECT i.inhrelid AS index FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = 'noetl.event_terminal_idx'::pg_catalog.regclass;
ALTER TABLE noetl.event ALTER execution_id DROP DEFAULT;
DO LANGUAGE plpgsql $$
DECLARE
    leaf pg_catalog.regclass;
BEGIN
    FOR leaf IN SELECT p.leaf FROM pg_temp.noetl_partition AS p LOOP
        EXECUTE pg_catalog.format('ALTER TABLE noetl.event DETACH PARTITION %s', leaf);
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER execution_id DROP DEFAULT', leaf);
        IF EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::pg_catalog.regclass
                    AND d.objid = leaf AND d.deptype = 'e') THEN
            EXECUTE pg_catalog.format('ALTER EXTENSION noetl DROP TABLE %s', leaf);
        END IF;
    END LOOP;
END
$$;
DROP INDEX noetl.event_result_idx, noetl.event_terminal_idx;
ALTER TABLE noetl.event DROP CONSTRAINT event_pkey;
DO LANGUAGE plpgsql $$
DECLARE
    names pg_catalog.text;
BEGIN
    SELECT pg_catalog.string_agg(oid::pg_catalog.regclass::pg_catalog.text, ', ') INTO names FROM pg_catalog.pg_class
     WHERE relnamespace = 'noetl'::pg_catalog.regnamespace AND relkind = 'v';
    EXECUTE 'DROP VIEW ' || names;
    SELECT pg_catalog.string_agg(p.oid::pg_catalog.regprocedure::pg_catalog.text, ', ') INTO names FROM pg_catalog.pg_proc AS p
      JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
     WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace;
    EXECUTE 'DROP ROUTINE ' || names;
END
$$;

-- A column that was dropped has left a hole where a new one belongs.
DO LANGUAGE plpgsql $$
DECLARE
    holed pg_catalog.regclass;
    name pg_catalog.name;
    commands pg_catalog.text[];
    command pg_catalog.text;
BEGIN
    FOR holed, name IN
        SELECT c.oid, c.relname FROM pg_catalog.pg_class AS c
         WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relname IN ('execution', 'run', 'queue')
           AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attisdropped)
    LOOP
        commands := ARRAY(
            SELECT pg_catalog.format('ALTER TABLE noetl.%I ADD CONSTRAINT %I %s', name, c.conname, pg_catalog.pg_get_constraintdef(c.oid))
              FROM pg_catalog.pg_constraint AS c WHERE c.conrelid = holed AND c.contype IN ('p', 'u', 'x', 'f')
            UNION ALL
            SELECT pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index AS i
             WHERE i.indrelid = holed AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS c WHERE c.conrelid = holed AND c.conindid = i.indexrelid)
            UNION ALL
            SELECT pg_catalog.pg_get_triggerdef(t.oid) FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = holed AND NOT t.tgisinternal
            UNION ALL
            SELECT pg_catalog.format('ALTER TABLE noetl.%I SET (%s)', name, pg_catalog.array_to_string(c.reloptions, ', '))
              FROM pg_catalog.pg_class AS c WHERE c.oid = holed AND c.reloptions IS NOT NULL);
        IF name OPERATOR(pg_catalog.=) 'queue' THEN
            ALTER SEQUENCE noetl.queue_seq OWNED BY NONE;
        END IF;
        EXECUTE pg_catalog.format('CREATE TABLE noetl.whole (LIKE noetl.%I INCLUDING ALL EXCLUDING INDEXES)', name);
        EXECUTE pg_catalog.format('INSERT INTO noetl.whole SELECT * FROM noetl.%I', name);
        EXECUTE pg_catalog.format('ALTER EXTENSION noetl DROP TABLE noetl.%I', name);
        EXECUTE pg_catalog.format('DROP TABLE noetl.%I', name);
        EXECUTE pg_catalog.format('ALTER TABLE noetl.whole RENAME TO %I', name);
        FOREACH command IN ARRAY commands LOOP
            EXECUTE command;
        END LOOP;
        IF name OPERATOR(pg_catalog.=) 'queue' THEN
            ALTER SEQUENCE noetl.queue_seq OWNED BY noetl.queue.queue_id;
        END IF;
    END LOOP;
END
$$;

-- section: tables
-- Ids went on from a number of the millisecond, and go on from the millisecond.
ALTER SEQUENCE noetl.id_seq AS bigint NO MAXVALUE NO CYCLE;
SELECT pg_catalog.setval('noetl.id_seq', greatest(
    (extract(epoch FROM pg_catalog.clock_timestamp() - '2024-01-01 00:00:00+00'::pg_catalog.timestamptz) * 1000)::pg_catalog.int8,
    coalesce((SELECT max(execution_id) >> 22 FROM noetl.execution), 0)) + 1);

-- The role of an execution is the role, not its name.
ALTER TABLE noetl.execution ALTER started_by DROP DEFAULT;
ALTER TABLE noetl.execution ALTER started_by TYPE pg_catalog.regrole
    USING coalesce(pg_catalog.to_regrole(pg_catalog.quote_ident(started_by)), 0::pg_catalog.oid::pg_catalog.regrole);

-- Rows that clients had marked as done are no tasks.
DELETE FROM noetl.queue WHERE status IN ('done', 'dead');

-- A step may have several visits at once.
CREATE TEMPORARY TABLE noetl_item AS SELECT * FROM noetl.item;
ALTER EXTENSION noetl DROP TABLE noetl.item;
DROP TABLE noetl.item;

-- section: data
DO LANGUAGE plpgsql $$
DECLARE
    part pg_temp.noetl_partition;
    index pg_catalog.regclass;
BEGIN
    FOR part IN SELECT * FROM pg_temp.noetl_partition LOOP
        FOR index IN SELECT i.indexrelid FROM pg_catalog.pg_index AS i
            WHERE i.indrelid = part.leaf AND i.indexrelid IN (SELECT t.index FROM pg_temp.noetl_terminal AS t) LOOP
            EXECUTE pg_catalog.format('DROP INDEX %s', index);
        END LOOP;
        EXECUTE pg_catalog.format('CREATE UNIQUE INDEX ON %s (execution_id, (coalesce(meta -> ''drive'', ''1''::pg_catalog.jsonb)))
            WHERE event_type IN (''execution_complete'', ''execution_completed'', ''execution_end'',
                                 ''execution_failed'', ''workflow_failed'', ''execution_cancelled'')
              AND (meta -> ''ignored'') IS NULL AND catalog_id IS NOT NULL', part.leaf);
        EXECUTE pg_catalog.format('CREATE INDEX ON %s (execution_id, created_at) WHERE catalog_id IS NULL', part.leaf);
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER execution_id SET DEFAULT noetl.next_id()', part.leaf);
        EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', part.leaf);
        EXECUTE pg_catalog.format('CREATE POLICY members_read ON %s FOR SELECT USING (noetl.may_read(execution_id))', part.leaf);
        EXECUTE pg_catalog.format('CREATE POLICY clients_insert ON %s FOR INSERT WITH CHECK (true)', part.leaf);
        EXECUTE pg_catalog.format('ALTER TABLE noetl.event ATTACH PARTITION %s %s', part.leaf, part.bounds);
        IF part.bounds OPERATOR(pg_catalog.=) 'DEFAULT' THEN
            EXECUTE pg_catalog.format('COMMENT ON TABLE %s IS ''events of executions for which there is no other partition''', part.leaf);
        END IF;
    END LOOP;
END
$$;

INSERT INTO noetl.item (execution_id, step_name, visit, item_index, item)
    SELECT i.execution_id, i.step_name, r.visit, i.item_index, i.item
      FROM pg_temp.noetl_item AS i JOIN noetl.run AS r USING (execution_id, step_name);
DROP TABLE pg_temp.noetl_item;

-- Which steps count their visits only their playbooks tell; tasks of others may have them, too.
UPDATE noetl.queue AS q SET visit = greatest(noetl.visit_of(q.node_id, q.execution_id, q.node_name), 1)
 WHERE q.current_index IS NULL;

-- The row of a run has the first branches that have arrived.
INSERT INTO noetl.arrival (execution_id, step_name, visit, number, arrival)
    SELECT r.execution_id, r.step_name, r.visit, a.ordinality - 1, a.value
      FROM noetl.run AS r CROSS JOIN pg_catalog.jsonb_array_elements(r.arrivals) WITH ORDINALITY AS a (value, ordinality)
     WHERE a.ordinality > 8;
UPDATE noetl.run SET arrivals = pg_catalog.jsonb_path_query_array(arrivals, '$[0 to 7]')
 WHERE pg_catalog.jsonb_array_length(arrivals) > 8;

-- section: after
-- What is given again is not the extension's own: pg_dump leaves that out.
CREATE TEMPORARY TABLE noetl_object AS
    SELECT 'pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid AS object
      FROM pg_catalog.pg_class AS c WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_proc'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_namespace'::pg_catalog.regclass, 'noetl'::pg_catalog.regnamespace;
CREATE TEMPORARY TABLE noetl_initial AS
    SELECT i.* FROM pg_catalog.pg_init_privs AS i
      JOIN pg_temp.noetl_object AS o ON (i.classoid, i.objoid) = (o.class, o.object);
DO LANGUAGE plpgsql $$
DECLARE
    self pg_catalog.name := current_user;
    grantor pg_catalog.oid;
    command pg_catalog.text;
BEGIN
    FOR grantor, command IN
        WITH RECURSIVE chain AS (
            SELECT g.*, 0 AS place FROM pg_temp.noetl_given AS g WHERE g.grantor = g.owner
            UNION
            SELECT g.*, c.place + 1
              FROM chain AS c JOIN pg_temp.noetl_given AS g
                ON g.grantor = c.grantee AND c.is_grantable AND c.place < 100
               AND (g.kind, g.name, g.privilege_type) = (c.kind, c.name, c.privilege_type)
        )
        SELECT CASE WHEN g.grantor = g.owner THEN 0 ELSE g.grantor END,
               pg_catalog.format('GRANT %s %s ON %s %s TO %s%s', g.privilege_type, '(' || pg_catalog.quote_ident(g.attribute) || ')',
                   g.kind, o.object, pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)),
                   CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)
          FROM chain AS g
          JOIN (SELECT 'ROUTINE' AS kind, p.proname::pg_catalog.text AS name, p.oid::pg_catalog.regprocedure::pg_catalog.text AS object
                  FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace
                UNION ALL
                SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.relname, c.oid::pg_catalog.regclass::pg_catalog.text
                  FROM pg_catalog.pg_class AS c
                 WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
                UNION ALL
                SELECT 'SCHEMA', 'noetl', 'noetl') AS o
            ON o.kind = g.kind AND o.name = g.name
         GROUP BY 1, 2 ORDER BY min(g.place)
    LOOP
        IF grantor = 0 THEN
            EXECUTE command;
        ELSE
            EXECUTE pg_catalog.format('SET LOCAL ROLE %I', pg_catalog.pg_get_userbyid(grantor));
            EXECUTE command;
            EXECUTE pg_catalog.format('SET LOCAL ROLE %I', self);
        END IF;
    END LOOP;
END
$$;
DELETE FROM pg_catalog.pg_init_privs AS i USING pg_temp.noetl_object AS o
 WHERE (i.classoid, i.objoid) = (o.class, o.object)
   AND NOT EXISTS (SELECT FROM pg_temp.noetl_initial AS n
        WHERE (n.objoid, n.classoid, n.objsubid) = (i.objoid, i.classoid, i.objsubid));
UPDATE pg_catalog.pg_init_privs AS i SET initprivs = n.initprivs
  FROM pg_temp.noetl_initial AS n
 WHERE (i.objoid, i.classoid, i.objsubid) = (n.objoid, n.classoid, n.objsubid)
   AND i.initprivs::pg_catalog.text <> n.initprivs::pg_catalog.text;
-- Since PostgreSQL 17 the roles that are named there cannot be dropped.
DELETE FROM pg_catalog.pg_shdepend AS d USING pg_temp.noetl_object AS o
 WHERE d.deptype = 'i' AND (d.classid, d.objid) = (o.class, o.object)
   AND d.dbid = (SELECT b.oid FROM pg_catalog.pg_database AS b WHERE b.datname = pg_catalog.current_database())
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_init_privs AS i CROSS JOIN LATERAL pg_catalog.aclexplode(i.initprivs) AS a
        WHERE (i.objoid, i.classoid, i.objsubid) = (d.objid, d.classid, d.objsubid) AND a.grantee = d.refobjid);
DROP TABLE pg_temp.noetl_object;
DROP TABLE pg_temp.noetl_initial;
DROP TABLE pg_temp.noetl_given;
DROP TABLE pg_temp.noetl_partition;
DROP TABLE pg_temp.noetl_terminal;
