-- ---------------------------------------------------------------------------
-- Partitions of noetl.event, and how long executions are kept (src/store/partition.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.id_at(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    -- 41 bits of milliseconds, which last until 2093
    AS $$ SELECT least(greatest(floor(extract(epoch FROM at) * 1000) - 1704067200000, 0), 2199023255551)::bigint << 22 $$;
COMMENT ON FUNCTION noetl.id_at(timestamptz) IS
    'the smallest execution_id or event_id that can have been made at a time, to the millisecond; noetl.id_time() is the way back';

CREATE TABLE noetl.retention (
    path   text        PRIMARY KEY,
    keep   interval    CHECK (keep >= '0'),
    set_by regrole     NOT NULL,
    set_at timestamptz NOT NULL
);
COMMENT ON TABLE noetl.retention IS
    'how long executions are kept after their end; written by noetl.retain(), read by noetl.maintain()';
COMMENT ON COLUMN noetl.retention.path IS 'of the playbook; empty: every path without a row of its own';
COMMENT ON COLUMN noetl.retention.keep IS 'null: for ever';

-- A partition is built beside noetl.event, which nobody has to wait for, and then
-- attached.  Members of a dump are its indexes and policies, so it has all of its own.
CREATE FUNCTION noetl.build_partition(name text) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET default_tablespace = '' SET default_table_access_method = 'heap'
    AS $$
DECLARE
    command text;
BEGIN
    EXECUTE format('CREATE TABLE noetl.%I (LIKE noetl.event INCLUDING ALL EXCLUDING INDEXES EXCLUDING COMMENTS)', name);
    EXECUTE format('ALTER TABLE noetl.%I ADD PRIMARY KEY (execution_id, event_id)', name);
    -- finds the newest value of a step: events without a value are not in it
    EXECUTE format('CREATE INDEX ON noetl.%I (execution_id, node_name, created_at) WHERE result IS NOT NULL', name);
    -- exactly one terminal event per drive of an execution
    EXECUTE format($f$CREATE UNIQUE INDEX ON noetl.%I (execution_id, (coalesce(meta -> 'drive', '1'::jsonb)))
        WHERE event_type IN ('execution_complete', 'execution_completed', 'execution_end',
                             'execution_failed', 'workflow_failed', 'execution_cancelled')
          AND (meta -> 'ignored') IS NULL AND catalog_id IS NOT NULL$f$, name);
    -- events that were stored while the triggers were off: none, mostly
    EXECUTE format('CREATE INDEX ON noetl.%I (execution_id, created_at) WHERE catalog_id IS NULL', name);
    EXECUTE format('ALTER TABLE noetl.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY members_read ON noetl.%I FOR SELECT USING (noetl.may_read(execution_id))', name);
    EXECUTE format('CREATE POLICY clients_insert ON noetl.%I FOR INSERT WITH CHECK (true)', name);
    -- what ALTER DEFAULT PRIVILEGES has handed out
    FOR command IN
        SELECT format('REVOKE ALL ON noetl.%I FROM %s', c.relname,
                      CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
          FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
         WHERE c.oid = format('noetl.%I', name)::regclass AND a.grantee <> c.relowner
         GROUP BY 1
    LOOP
        EXECUTE command;
    END LOOP;
    SELECT format('ALTER TABLE noetl.%I OWNER TO %I', name, pg_get_userbyid(c.relowner)) INTO command
      FROM pg_class AS c
     WHERE c.oid = 'noetl.event'::regclass
       AND c.relowner <> (SELECT n.relowner FROM pg_class AS n WHERE n.oid = format('noetl.%I', name)::regclass);
    IF FOUND THEN
        EXECUTE command;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION noetl.build_partition(text) FROM PUBLIC;
COMMENT ON FUNCTION noetl.build_partition(text) IS
    'makes a table that can become a partition of noetl.event: same columns, its indexes, row security, no grants; internal';

CREATE FUNCTION noetl.exclude_range(partition regclass, since bigint, until bigint, constraint_name name) RETURNS void
    AS 'MODULE_PATHNAME', 'noetl_exclude_range'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.exclude_range(regclass, bigint, bigint, name) FROM PUBLIC;
COMMENT ON FUNCTION noetl.exclude_range(regclass, bigint, bigint, name) IS
    'adds a CHECK to a partition that it has no events of a range of executions; an index proves it, so that the table is not read; internal';

CREATE FUNCTION noetl.partitions()
    RETURNS TABLE (partition regclass, since bigint, until bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT c.oid::regclass, b.bounds[1]::bigint, b.bounds[2]::bigint
      FROM pg_inherits AS i
      JOIN pg_class AS c ON c.oid = i.inhrelid
      LEFT JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid),
                                     '^FOR VALUES FROM \(''(-?\d+)''\) TO \(''(-?\d+)''\)$') AS b (bounds) ON true
     WHERE i.inhparent = 'noetl.event'::regclass
     ORDER BY 2, 1
$$;
REVOKE ALL ON FUNCTION noetl.partitions() FROM PUBLIC;
COMMENT ON FUNCTION noetl.partitions() IS
    'the partitions of noetl.event and their execution_ids (until is the first that does not belong to it); null: the default partition';

CREATE FUNCTION noetl.attach_partitions(names text[], bounds timestamptz[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    rest regclass := (SELECT p.partition FROM noetl.partitions() AS p WHERE p.since IS NULL);
BEGIN
    IF rest IS NOT NULL THEN
        PERFORM noetl.exclude_range(rest, noetl.id_at(bounds[1]), noetl.id_at(bounds[cardinality(bounds)]),
                                    'not_in_new_partitions');
    END IF;
    FOR i IN 1 .. cardinality(names) LOOP
        EXECUTE format('ALTER TABLE noetl.event ATTACH PARTITION noetl.%I FOR VALUES FROM (%s) TO (%s)',
                       names[i], noetl.id_at(bounds[i]), noetl.id_at(bounds[i + 1]));
        EXECUTE format('COMMENT ON TABLE noetl.%I IS %L', names[i],
                       format('events of executions that were started from %s to %s',
                              bounds[i] AT TIME ZONE 'UTC', bounds[i + 1] AT TIME ZONE 'UTC'));
    END LOOP;
    IF rest IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT not_in_new_partitions', rest);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION noetl.attach_partitions(text[], timestamptz[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.attach_partitions(text[], timestamptz[]) IS
    'attaches tables that lie side by side in time to noetl.event, for executions started between the bounds; internal';

CREATE FUNCTION noetl.partition_name(since timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT to_char(since AT TIME ZONE 'UTC', '"event_"YYYYMMDD"_"HH24MISS') $$;
REVOKE ALL ON FUNCTION noetl.partition_name(timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION noetl.partition_name(timestamptz) IS 'the name of the partition that begins at a time; internal';

CREATE FUNCTION noetl.make_partition(since timestamptz, until timestamptz) RETURNS regclass
    LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    bounds timestamptz[] := ARRAY[date_trunc('second', since), date_trunc('second', until)];
    name   text := noetl.partition_name(since);
BEGIN
    PERFORM noetl.build_partition(name);
    PERFORM noetl.attach_partitions(ARRAY[name], bounds);
    RETURN format('noetl.%I', name)::regclass;
END
$$;
REVOKE ALL ON FUNCTION noetl.make_partition(timestamptz, timestamptz) FROM PUBLIC;
COMMENT ON FUNCTION noetl.make_partition(timestamptz, timestamptz) IS
    'makes a partition of noetl.event for the executions that are started between two times; noetl.maintain() does it ahead of time. Fails where there are such executions already';

CREATE FUNCTION noetl.ensure_partition() RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = 'noetl.event'::regclass) THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY noetl.event IN SHARE UPDATE EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = 'noetl.event'::regclass) THEN
        RETURN false;
    END IF;
    PERFORM noetl.build_partition('event_default');
    ALTER TABLE noetl.event ATTACH PARTITION noetl.event_default DEFAULT;
    COMMENT ON TABLE noetl.event_default IS 'events of executions for which there is no other partition';
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION noetl.ensure_partition() FROM PUBLIC;
COMMENT ON FUNCTION noetl.ensure_partition() IS
    'makes the default partition if noetl.event has no partition at all; returns whether it did; internal';

CREATE FUNCTION noetl.catalog_first() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM noetl.ensure_partition();
    -- an id that does not come from the sequence, as in a copy of the catalog alone
    PERFORM setval('noetl.catalog_catalog_id_seq', new.catalog_id)
       FROM noetl.catalog_catalog_id_seq AS s
      WHERE s.last_value < new.catalog_id OR (s.last_value = new.catalog_id AND NOT s.is_called);
    RETURN new;
END
$$;
REVOKE ALL ON FUNCTION noetl.catalog_first() FROM PUBLIC;
COMMENT ON FUNCTION noetl.catalog_first() IS
    'trigger of noetl.catalog: the first playbook brings the default partition of noetl.event, and ids that do not come from the sequence move it';

-- CREATE EXTENSION makes no partition: pg_dump brings those that there were, and
-- they would be in its way.  Without a playbook there are no events.
CREATE TRIGGER catalog_first BEFORE INSERT ON noetl.catalog
    FOR EACH ROW EXECUTE FUNCTION noetl.catalog_first();
ALTER TABLE noetl.catalog ENABLE ALWAYS TRIGGER catalog_first;
COMMENT ON TRIGGER catalog_first ON noetl.catalog IS
    'sees that noetl.event has a partition before there can be an event, and that new ids are beyond those there are';

-- The policies as they are, or as they would be with a change.
CREATE FUNCTION noetl.policies(change_path text, change_keep interval)
    RETURNS TABLE (path text, keep interval)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT r.path, r.keep FROM noetl.retention AS r WHERE r.path IS DISTINCT FROM change_path
    UNION ALL
    SELECT change_path, change_keep WHERE change_path IS NOT NULL
$$;
REVOKE ALL ON FUNCTION noetl.policies(text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.policies(text, interval) IS
    'noetl.retention, as it would be if noetl.retain() changed one path; part of noetl.expired()';

CREATE FUNCTION noetl.family_expired(topmost bigint, change_path text, change_keep interval) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
    WITH RECURSIVE member AS (
        SELECT x.path, x.status, x.ended_at, x.execution_id
          FROM noetl.execution AS x WHERE x.execution_id = topmost
        UNION ALL
        SELECT x.path, x.status, x.ended_at, x.execution_id
          FROM member AS m JOIN noetl.execution AS x ON x.parent_execution_id = m.execution_id
    )
    SELECT NOT EXISTS (
        SELECT FROM member AS m
          LEFT JOIN noetl.policies(change_path, change_keep) AS own ON own.path = m.path
          LEFT JOIN noetl.policies(change_path, change_keep) AS general ON general.path = ''
         WHERE (m.status NOT IN ('SCHEDULED', 'RUNNING')
                AND m.ended_at < clock_timestamp() - CASE WHEN own.path IS NULL THEN general.keep ELSE own.keep END)
               IS NOT TRUE)
$$;
REVOKE ALL ON FUNCTION noetl.family_expired(bigint, text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.family_expired(bigint, text, interval) IS
    'whether an execution and all that descends from it is over and has been kept long enough; part of noetl.relatives_expired()';

CREATE FUNCTION noetl.relatives_expired(of_execution bigint, change_path text, change_keep interval) RETURNS boolean
    AS 'MODULE_PATHNAME', 'noetl_relatives_expired'
    LANGUAGE C STABLE PARALLEL RESTRICTED;
REVOKE ALL ON FUNCTION noetl.relatives_expired(bigint, text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.relatives_expired(bigint, text, interval) IS
    'whether the topmost execution that an execution descends from, and all that descends from that one, is over and has been kept long enough; a statement asks once for each family; part of noetl.expired()';

-- Streams: with LIMIT only as much is read as is needed.
CREATE FUNCTION noetl.expired(since bigint, until bigint, slack interval, most bigint DEFAULT NULL,
                              change_path text DEFAULT NULL, change_keep interval DEFAULT NULL)
    RETURNS TABLE (execution_id bigint, path text, ended_at timestamptz)
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
    SELECT x.execution_id, x.path, x.ended_at
      FROM noetl.execution AS x
      LEFT JOIN noetl.policies(change_path, change_keep) AS own ON own.path = x.path
      LEFT JOIN noetl.policies(change_path, change_keep) AS general ON general.path = ''
     WHERE x.execution_id >= since AND x.execution_id < until
       AND x.status NOT IN ('SCHEDULED', 'RUNNING')
       AND x.ended_at < clock_timestamp() - slack - CASE WHEN own.path IS NULL THEN general.keep ELSE own.keep END
       AND NOT EXISTS (SELECT FROM noetl.pending AS p WHERE p.execution_id = x.execution_id)
       AND NOT EXISTS (SELECT FROM noetl.queue AS q WHERE q.execution_id = x.execution_id)
       AND (x.parent_execution_id IS NULL
            AND NOT EXISTS (SELECT FROM noetl.execution AS c WHERE c.parent_execution_id = x.execution_id)
            OR noetl.relatives_expired(x.execution_id, change_path, change_keep))
     ORDER BY x.execution_id
     LIMIT most
$$;
REVOKE ALL ON FUNCTION noetl.expired(bigint, bigint, interval, bigint, text, interval) FROM PUBLIC;
COMMENT ON FUNCTION noetl.expired(bigint, bigint, interval, bigint, text, interval) IS
    'the executions of a range that noetl.maintain() may remove: over, kept long enough (and a slack longer), with nothing left to do, in families that are so as a whole';

CREATE FUNCTION noetl.any_kept(since bigint, until bigint) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
    SELECT EXISTS (
        SELECT FROM noetl.execution AS x
          LEFT JOIN noetl.retention AS own ON own.path = x.path
          LEFT JOIN noetl.retention AS general ON general.path = ''
         WHERE x.execution_id >= since AND x.execution_id < until
           AND (x.status NOT IN ('SCHEDULED', 'RUNNING')
                AND x.ended_at < clock_timestamp() - CASE WHEN own.path IS NULL THEN general.keep ELSE own.keep END)
               IS NOT TRUE)
$$;
REVOKE ALL ON FUNCTION noetl.any_kept(bigint, bigint) FROM PUBLIC;
COMMENT ON FUNCTION noetl.any_kept(bigint, bigint) IS
    'whether a range has an execution that runs or is to be kept for its own sake; tells quickly in most cases; internal';

CREATE FUNCTION noetl.unknown_executions(partition regclass) RETURNS bigint
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off
    AS $$
DECLARE
    found bigint;
BEGIN
    -- from one execution to the next by the index, not by reading every event
    EXECUTE format($f$
        WITH RECURSIVE logged AS (
            SELECT min(e.execution_id) AS id FROM %1$s AS e
            UNION ALL
            SELECT (SELECT min(e.execution_id) FROM %1$s AS e WHERE e.execution_id > l.id)
              FROM logged AS l WHERE l.id IS NOT NULL
        )
        SELECT count(*) FROM logged AS l
         WHERE l.id IS NOT NULL
           AND NOT EXISTS (SELECT FROM noetl.execution AS x WHERE x.execution_id = l.id)$f$, partition)
       INTO found;
    RETURN found;
END
$$;
REVOKE ALL ON FUNCTION noetl.unknown_executions(regclass) FROM PUBLIC;
COMMENT ON FUNCTION noetl.unknown_executions(regclass) IS
    'how many executions have events in a partition and no row in noetl.execution, as after a restore of events alone; internal';

CREATE FUNCTION noetl.archive_executions(ids bigint[]) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    hook text := nullif(current_setting('noetl.archive', true), '');
    fn   regprocedure;
BEGIN
    IF hook IS NULL THEN
        RETURN;
    END IF;
    fn := to_regprocedure(format('%s(bigint[])', hook));
    IF fn IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_function',
            MESSAGE = format('function %s(bigint[]), which noetl.archive names, does not exist', hook),
            HINT = 'Name it with its schema.';
    END IF;
    -- it is called with the rights of the extension's owner
    IF NOT EXISTS (SELECT FROM pg_proc AS p
                    WHERE p.oid = fn
                      AND (pg_has_role(p.proowner, (SELECT c.relowner FROM pg_class AS c
                                                     WHERE c.oid = 'noetl.event'::regclass), 'USAGE'))) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('function %s belongs to a role without the rights of the owner of noetl.event', fn),
            HINT = 'Let the owner of the extension own it: noetl.archive is called with that role''s rights.';
    END IF;
    FOR i IN 1 .. cardinality(ids) BY 1000 LOOP
        EXECUTE (SELECT format('SELECT %I.%I($1)', n.nspname, p.proname)
                   FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
                  WHERE p.oid = fn)
          USING ids[i : i + 999];
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION noetl.archive_executions(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.archive_executions(bigint[]) IS
    'calls the function that noetl.archive names with the executions that are about to be removed, 1,000 at a time; internal';

CREATE FUNCTION noetl.remove_rows(ids bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
DECLARE
    gone bigint[];
BEGIN
    -- one that has been started again in the meantime stays
    WITH d AS (DELETE FROM noetl.execution AS x USING unnest(ids) AS i
                WHERE x.execution_id = i AND x.status NOT IN ('SCHEDULED', 'RUNNING') AND x.ended_at IS NOT NULL
            RETURNING x.execution_id)
    SELECT array_agg(d.execution_id) INTO gone FROM d;
    DELETE FROM noetl.workload AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.start_key AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.run AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.arrival AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.item AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.paused AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.signal AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.reaper_failure AS t USING unnest(gone) AS i WHERE t.execution_id = i;
    DELETE FROM noetl.family AS t USING unnest(gone) AS i WHERE t.root_id = i;
    RETURN coalesce(gone, '{}');
END
$$;
REVOKE ALL ON FUNCTION noetl.remove_rows(bigint[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.remove_rows(bigint[]) IS
    'removes executions that are over from all tables but noetl.event; returns those that it removed; internal';

CREATE FUNCTION noetl.segments()
    RETURNS TABLE (partition regclass, since bigint, until bigint, by_time boolean)
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH p AS (SELECT * FROM noetl.partitions()), gap AS (
        SELECT coalesce(lag(p.until) OVER (ORDER BY p.since), -9223372036854775808) AS since, p.since AS until
          FROM p WHERE p.since IS NOT NULL
        UNION ALL
        SELECT coalesce(max(p.until), -9223372036854775808), 9223372036854775807 FROM p
    )
    SELECT p.partition, p.since, p.until, true FROM p WHERE p.since IS NOT NULL
    UNION ALL
    SELECT p.partition, g.since, g.until, false FROM p CROSS JOIN gap AS g WHERE p.since IS NULL AND g.since < g.until
$$;
REVOKE ALL ON FUNCTION noetl.segments() FROM PUBLIC;
COMMENT ON FUNCTION noetl.segments() IS
    'which execution_ids are in which partition; the default partition has the gaps between the others; internal';

CREATE FUNCTION noetl.partition_width() RETURNS interval
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN k.keep <= '2 days' THEN interval '1 hour'
                WHEN k.keep <= '60 days' THEN interval '24 hours'
                WHEN k.keep > '2 years' THEN interval '672 hours'
                ELSE interval '168 hours' END
      FROM (SELECT coalesce(max(r.keep) FILTER (WHERE r.path = ''), max(r.keep)) AS keep
              FROM noetl.retention AS r) AS k
$$;
REVOKE ALL ON FUNCTION noetl.partition_width() FROM PUBLIC;
COMMENT ON FUNCTION noetl.partition_width() IS
    'how long a time a new partition is for: 1 hour, 1, 7 or 28 days, by the retention that most executions have; internal';

CREATE FUNCTION noetl.droppable() RETURNS SETOF regclass
    LANGUAGE plpgsql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off
    AS $$
DECLARE
    part    record;
    unknown bigint;
BEGIN
    FOR part IN SELECT * FROM noetl.partitions() AS p
                 WHERE p.until <= noetl.id_at(clock_timestamp()) ORDER BY p.since LOOP
        CONTINUE WHEN noetl.any_kept(part.since, part.until);
        CONTINUE WHEN (SELECT count(*) FROM noetl.expired(part.since, part.until, '0'))
                   <> (SELECT count(*) FROM noetl.execution AS x
                        WHERE x.execution_id >= part.since AND x.execution_id < part.until);
        unknown := noetl.unknown_executions(part.partition);
        IF unknown > 0 THEN
            RAISE WARNING USING
                MESSAGE = format('%s stays: it has events of %s executions without a row in noetl.execution',
                                 part.partition, unknown),
                HINT = 'noetl.rebuild(execution_id) makes the rows.';
            CONTINUE;
        END IF;
        RETURN NEXT part.partition;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION noetl.droppable() FROM PUBLIC;
COMMENT ON FUNCTION noetl.droppable() IS
    'partitions whose time has passed and all of whose executions have expired, oldest first; internal';

CREATE FUNCTION noetl.remove_expired(most bigint, except_of regclass[])
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
DECLARE
    part  record;
    width interval := noetl.partition_width();
    ids   bigint[];
BEGIN
    FOR part IN SELECT * FROM noetl.segments() AS s
                 WHERE s.partition <> ALL (except_of) ORDER BY s.since LOOP
        EXIT WHEN most <= 0;
        -- a partition by time will soon be dropped as a whole, unless something in it stays longer
        ids := ARRAY(SELECT x.execution_id
                       FROM noetl.expired(part.since, part.until,
                                          CASE WHEN part.by_time THEN width ELSE '0' END, most) AS x);
        CONTINUE WHEN ids = '{}';
        PERFORM noetl.archive_executions(ids);
        ids := noetl.remove_rows(ids);
        EXECUTE format('DELETE FROM %s AS e USING unnest($1) AS i WHERE e.execution_id = i', part.partition) USING ids;
        most := most - cardinality(ids);
        action := 'deleted';
        partition := part.partition::text;
        executions := cardinality(ids);
        RETURN NEXT;
    END LOOP;
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    action := 'postponed';
    detail := SQLERRM;
    executions := NULL;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION noetl.remove_expired(bigint, regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.remove_expired(bigint, regclass[]) IS
    'removes expired executions row by row where the partition cannot be dropped; internal';

CREATE FUNCTION noetl.lock_partitions(to_drop regclass[], to_lock regclass[], tries integer) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms'
    AS $$
DECLARE
    leaf regclass;
BEGIN
    FOR try IN 1 .. tries LOOP
        BEGIN
            IF to_drop <> '{}' THEN
                LOCK TABLE ONLY noetl.event IN ACCESS EXCLUSIVE MODE;
            ELSE
                LOCK TABLE ONLY noetl.event IN SHARE UPDATE EXCLUSIVE MODE;
            END IF;
            FOREACH leaf IN ARRAY to_drop || to_lock LOOP
                EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', leaf);
            END LOOP;
            RETURN true;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            NULL;               -- whoever has waited behind us goes first
        END;
        PERFORM pg_sleep(CASE WHEN try < tries THEN 0.05 + 0.15 * random() ELSE 0 END);
    END LOOP;
    RETURN false;
END
$$;
REVOKE ALL ON FUNCTION noetl.lock_partitions(regclass[], regclass[], integer) FROM PUBLIC;
COMMENT ON FUNCTION noetl.lock_partitions(regclass[], regclass[], integer) IS
    'locks noetl.event and partitions to change them; others never wait for this longer than 20 ms at a time; false: gave up after so many tries; internal';

CREATE FUNCTION noetl.drop_partitions(leaves regclass[])
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s'
    AS $$
DECLARE
    part  record;
    ids   bigint[];
    names text[] := '{}';
    sizes bigint[] := '{}';
BEGIN
    BEGIN
        FOR part IN SELECT * FROM noetl.partitions() AS p WHERE p.partition = ANY (leaves) ORDER BY p.since LOOP
            ids := ARRAY(SELECT x.execution_id FROM noetl.expired(part.since, part.until, '0') AS x);
            PERFORM noetl.archive_executions(ids);
            ids := noetl.remove_rows(ids);
            names := names || part.partition::text;
            sizes := sizes || cardinality(ids)::bigint;
        END LOOP;
        IF NOT noetl.lock_partitions(leaves, '{}', 20) THEN
            RAISE lock_not_available USING MESSAGE = 'noetl.event is in use by long transactions';
        END IF;
        -- nobody can insert any more; something may have come before
        IF EXISTS (SELECT FROM noetl.partitions() AS p JOIN noetl.execution AS x
                               ON x.execution_id >= p.since AND x.execution_id < p.until
                    WHERE p.partition = ANY (leaves)) THEN
            RAISE lock_not_available USING MESSAGE = 'executions have begun again';
        END IF;
        PERFORM set_config('lock_timeout', '100ms', true);  -- others wait for noetl.event
        FOR i IN 1 .. cardinality(names) LOOP
            EXECUTE format('DROP TABLE %s', names[i]);
        END LOOP;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        -- the rows are back: all or nothing goes
        RETURN QUERY SELECT 'postponed', l::text, NULL::bigint, SQLERRM FROM unnest(leaves) AS l;
        RETURN;
    END;
    RETURN QUERY SELECT 'dropped', n, s, NULL::text FROM unnest(names, sizes) AS u (n, s);
END
$$;
REVOKE ALL ON FUNCTION noetl.drop_partitions(regclass[]) FROM PUBLIC;
COMMENT ON FUNCTION noetl.drop_partitions(regclass[]) IS
    'drops partitions whose executions have all expired, and removes the executions from the other tables; internal';

-- Apart from attach_ahead(): tables are made before others have to wait.
CREATE FUNCTION noetl.build_ahead(OUT names text[], OUT bounds timestamptz[])
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s'
    AS $$
DECLARE
    width  interval := noetl.partition_width();
    target timestamptz := clock_timestamp() + greatest(width, interval '24 hours');
    first  timestamptz := date_trunc('second', clock_timestamp()) + interval '10 seconds';
    beyond timestamptz;
    covers bigint;
BEGIN
    -- from the first time that no partition is for, as far as one that somebody has made for a later time
    LOOP
        SELECT p.until INTO covers FROM noetl.partitions() AS p
         WHERE p.since <= noetl.id_at(first) AND p.until > noetl.id_at(first);
        EXIT WHEN NOT FOUND;
        first := noetl.id_time(covers);
    END LOOP;
    beyond := (SELECT noetl.id_time(min(p.since)) FROM noetl.partitions() AS p WHERE p.since > noetl.id_at(first));
    names := '{}';
    bounds := ARRAY[first];
    -- few at a time: the default partition is locked while they are attached
    WHILE bounds[cardinality(bounds)] < least(target, beyond) AND cardinality(names) < 4 LOOP
        names := names || noetl.partition_name(bounds[cardinality(bounds)]);
        bounds := bounds || least(date_bin(width, bounds[cardinality(bounds)], '2024-01-01 00:00:00+00') + width, beyond);
    END LOOP;
    PERFORM noetl.build_partition(n) FROM unnest(names) AS n;
END
$$;
REVOKE ALL ON FUNCTION noetl.build_ahead() FROM PUBLIC;
COMMENT ON FUNCTION noetl.build_ahead() IS
    'makes tables, four at most, that can become the partitions of the next 24 hours and of one width, and returns their names and bounds; internal';

CREATE FUNCTION noetl.attach_ahead(names text[], bounds timestamptz[], tries integer)
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
    AS $$
DECLARE
    rest regclass := (SELECT p.partition FROM noetl.partitions() AS p WHERE p.since IS NULL);
    name text;
BEGIN
    IF names = '{}' THEN
        RETURN;
    END IF;
    BEGIN
        IF NOT noetl.lock_partitions('{}', CASE WHEN rest IS NULL THEN '{}' ELSE ARRAY[rest] END, tries) THEN
            RAISE lock_not_available USING MESSAGE = 'the default partition is in use by long transactions';
        END IF;
        PERFORM noetl.attach_partitions(names, bounds);
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR check_violation THEN
        RETURN QUERY SELECT 'postponed', n, NULL::bigint, SQLERRM FROM unnest(names) AS n;
        FOREACH name IN ARRAY names LOOP
            EXECUTE format('DROP TABLE noetl.%I', name);
        END LOOP;
        RETURN;
    END;
    RETURN QUERY SELECT 'made', format('noetl.%I', n), NULL::bigint, NULL::text FROM unnest(names) AS n;
END
$$;
REVOKE ALL ON FUNCTION noetl.attach_ahead(text[], timestamptz[], integer) FROM PUBLIC;
COMMENT ON FUNCTION noetl.attach_ahead(text[], timestamptz[], integer) IS
    'attaches what noetl.build_ahead() has made to noetl.event, or drops it again when others keep it from being attached; internal';

CREATE FUNCTION noetl.maintain()
    RETURNS TABLE (action text, partition text, executions bigint, detail text)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    leaves regclass[];
    ahead  record;
BEGIN
    PERFORM noetl.id_time(0);   -- loads the library: its settings are for superusers to set
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_transaction_state',
            MESSAGE = 'noetl.maintain() needs a transaction that is READ COMMITTED';
    END IF;
    BEGIN
        LOCK TABLE noetl.retention IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN QUERY SELECT 'postponed', NULL::text, NULL::bigint, 'another session is at it';
        RETURN;
    END;
    IF noetl.ensure_partition() THEN
        RETURN QUERY SELECT 'made', 'noetl.event_default', NULL::bigint, NULL::text;
    END IF;
    IF NOT EXISTS (SELECT FROM noetl.retention) THEN
        RETURN;
    END IF;
    leaves := ARRAY(SELECT d FROM noetl.droppable() AS d LIMIT 20);
    RETURN QUERY SELECT * FROM noetl.remove_expired(10000, leaves);
    SELECT b.names, b.bounds INTO ahead FROM noetl.build_ahead() AS b;
    -- Last what others have to wait for, and few partitions at a time.  With noetl.event
    -- locked, the default partition is not waited for: who uses it may wait for noetl.event.
    IF leaves <> '{}' THEN
        RETURN QUERY SELECT * FROM noetl.drop_partitions(leaves[:4]);
    END IF;
    RETURN QUERY SELECT * FROM noetl.attach_ahead(ahead.names, ahead.bounds, CASE WHEN leaves = '{}' THEN 20 ELSE 1 END);
END
$$;
REVOKE ALL ON FUNCTION noetl.maintain() FROM PUBLIC;
COMMENT ON FUNCTION noetl.maintain() IS
    'makes partitions of noetl.event ahead of time and removes what has been kept as long as noetl.retain() says, whole partitions where it can; call it once an hour, in a transaction of its own, unless noetl.timer does. It works in portions: four partitions and 10000 executions a call at most. Returns what it did (made, dropped, deleted) and what has to wait (postponed)';

CREATE FUNCTION noetl.expect_maintenance() RETURNS void
    AS 'MODULE_PATHNAME', 'noetl_expect_maintenance'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
REVOKE ALL ON FUNCTION noetl.expect_maintenance() FROM PUBLIC;
COMMENT ON FUNCTION noetl.expect_maintenance() IS
    'tells the timer process, when the transaction commits, that noetl.maintain() has work; internal';

CREATE FUNCTION noetl.retain(keep interval, path text DEFAULT NULL, dry_run boolean DEFAULT true)
    RETURNS TABLE (playbook text, executions bigint, oldest timestamptz, newest timestamptz)
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF keep NOT BETWEEN '0' AND '1000 years' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'executions are kept for 0 to 1000 years',
            HINT = 'Give the time that they are kept after their end, or NULL for ever.';
    END IF;
    IF retain.path = '' THEN    -- the table has that for all others
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the path of the executions must not be empty',
            HINT = 'Give NULL for all paths without a time of their own.';
    END IF;
    RETURN QUERY
        SELECT x.path, count(*), min(x.ended_at), max(x.ended_at)
          FROM noetl.expired(-9223372036854775808, 9223372036854775807, '0', NULL,
                             coalesce(retain.path, ''), retain.keep) AS x
         GROUP BY x.path ORDER BY x.path;
    IF NOT dry_run THEN
        INSERT INTO noetl.retention AS r (path, keep, set_by, set_at)
        VALUES (coalesce(retain.path, ''), retain.keep, to_regrole(quote_ident(session_user)), clock_timestamp())
        ON CONFLICT ON CONSTRAINT retention_pkey
        DO UPDATE SET keep = excluded.keep, set_by = excluded.set_by, set_at = excluded.set_at;
        PERFORM noetl.expect_maintenance();
    END IF;
END
$$;
REVOKE ALL ON FUNCTION noetl.retain(interval, text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION noetl.retain(interval, text, boolean) IS
    'says how long executions are kept after their end: those of a path, or (path null) of every path without a time of its own; keep null: for ever. Returns by playbook what noetl.maintain() then removes. dry_run: nothing is stored';
