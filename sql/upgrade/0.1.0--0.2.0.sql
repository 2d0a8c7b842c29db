-- What sql/upgrade/generate cannot know: how the objects of 0.1.0 become those of
-- 0.2.0.  Three sections; the parts of sql/noetl come between them.

-- section: before
-- Rights that were given are given again at the end.
CREATE TEMPORARY TABLE noetl_given AS
    SELECT 'ROUTINE'::text AS kind, p.proname::text AS name, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_catalog.pg_proc AS p CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) AS a
     WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace AND a.grantee NOT IN (0, p.proowner)
    UNION
    SELECT 'TABLE', c.relname, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_catalog.pg_class AS c CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
     WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.grantee NOT IN (0, c.relowner);

DROP TRIGGER event_before ON noetl.event;
DROP TRIGGER event_after ON noetl.event;
DROP TRIGGER catalog_guard ON noetl.catalog;

-- Partitions are no members any more, and have indexes of their own only.
CREATE TEMPORARY TABLE noetl_partition AS
    SELECT c.oid::pg_catalog.regclass AS leaf, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bounds
      FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'noetl.event'::pg_catalog.regclass;
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
            WHERE i.indrelid = part.leaf AND i.indisunique AND NOT i.indisprimary LOOP
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
DO LANGUAGE plpgsql $$
DECLARE
    command pg_catalog.text;
BEGIN
    FOR command IN
        SELECT pg_catalog.format('GRANT %s ON %s %s TO %s%s', g.privilege_type, g.kind, o.object,
                   pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)),
                   CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)
          FROM pg_temp.noetl_given AS g
          JOIN (SELECT 'ROUTINE' AS kind, p.proname::pg_catalog.text AS name, p.oid::pg_catalog.regprocedure::pg_catalog.text AS object
                  FROM pg_catalog.pg_proc AS p WHERE p.pronamespace = 'noetl'::pg_catalog.regnamespace
                UNION ALL
                SELECT 'TABLE', c.relname, c.oid::pg_catalog.regclass::pg_catalog.text
                  FROM pg_catalog.pg_class AS c
                 WHERE c.relnamespace = 'noetl'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v')) AS o
            ON o.kind = g.kind AND o.name = g.name
    LOOP
        EXECUTE command;
    END LOOP;
END
$$;
DROP TABLE pg_temp.noetl_given;
DROP TABLE pg_temp.noetl_partition;
