-- ---------------------------------------------------------------------------
-- Privileges, dump configuration: last, for all that the script creates
-- ---------------------------------------------------------------------------

-- Rights must be granted.  PUBLIC keeps functions of their arguments alone, the
-- default of event.execution_id, and functions that ask for a catalog row's digest.
REVOKE ALL ON FUNCTION noetl.event_before(), noetl.event_after(),
    noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer), noetl.cancel(bigint, text, boolean), noetl.status_unchecked(bigint), noetl.status(bigint),
    noetl.enqueue_next(bigint), noetl.lease(text, integer, interval, text[]),
    noetl.reserve(text, integer, interval, text[]), noetl.heartbeat(bigint, text, interval),
    noetl.release(bigint, text), noetl.complete(bigint, jsonb, text),
    noetl.fail(bigint, text, text, jsonb),
    noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]),
    noetl.verify(bigint), noetl.rebuild(bigint) FROM PUBLIC;
REVOKE ALL ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) FROM PUBLIC;

CREATE FUNCTION noetl.create_roles() RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['noetl_client', 'noetl_worker', 'noetl_author', 'noetl_reader', 'noetl_admin'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
    GRANT INSERT ON noetl.event TO noetl_client, noetl_worker;
    GRANT SELECT ON noetl.execution, noetl.start_key, noetl.event, noetl.event_log, noetl.workload, noetl.run, noetl.arrival, noetl.item,
        noetl.pending, noetl.queue, noetl.workflow, noetl.workbook, noetl.transition TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.catalog TO noetl_author, noetl_reader;
    GRANT SELECT ON noetl.queue TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.execute(text, jsonb, integer, boolean, text, text, timestamptz, jsonb, integer), noetl.cancel(bigint, text, boolean) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.schedule(text, text, text, jsonb, text, text, text, interval, boolean, jsonb),
        noetl.unschedule(text) TO noetl_client;
    GRANT SELECT ON noetl.schedule TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.debounce(text, text, interval, jsonb, interval) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.status(bigint) TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.register(text, text) TO noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.simulate(text, jsonb, jsonb, timestamptz), noetl.test(text) TO noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.draw(text, jsonb) TO noetl_author;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_change(interval, boolean) TO noetl_client, noetl_reader, noetl_author;
    GRANT EXECUTE ON FUNCTION noetl.grant_execute(text, name), noetl.revoke_execute(text, name) TO noetl_author;
    GRANT SELECT ON noetl.catalog_path TO noetl_author, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.lease(text, integer, interval, text[]),
        noetl.reserve(text, integer, interval, text[]), noetl.heartbeat(bigint, text, interval),
        noetl.release(bigint, text), noetl.complete(bigint, jsonb, text), noetl.fail(bigint, text, text, jsonb),
        noetl.complete_and_lease(bigint, jsonb, text, integer, interval, text[]) TO noetl_worker;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_work(interval, text[], boolean) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.enqueue_next(bigint), noetl.verify(bigint), noetl.rebuild(bigint) TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.announce(text, text[], jsonb) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.items_done(bigint, text) TO noetl_worker;
    GRANT EXECUTE ON FUNCTION noetl.signal(bigint, text, jsonb, text), noetl.send(text, text, jsonb, interval, text) TO noetl_client;
    GRANT EXECUTE ON PROCEDURE noetl.wait_for_execution(bigint, interval, jsonb) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.on_change(regclass, text, text, text, jsonb, text, text, text), noetl.off_change(text) TO noetl_author;
    GRANT SELECT ON noetl.change_rule, noetl.change_failure TO noetl_author, noetl_reader;
    GRANT SELECT ON noetl.waiting, noetl.signal, noetl.message TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.running, noetl.failure, noetl.worker, noetl.backlog TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.runtime TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.timeline(bigint), noetl.progress(bigint), noetl.report(bigint),
        noetl.why(bigint), noetl.explain(text, text) TO noetl_client, noetl_reader;
    GRANT EXECUTE ON FUNCTION noetl.pause(bigint, text, timestamptz), noetl.resume(bigint, text) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.pause_tasks(text, text, text, timestamptz), noetl.resume_tasks(text, text) TO noetl_admin;
    GRANT SELECT ON noetl.paused TO noetl_client, noetl_reader;
    GRANT SELECT (path, type, until) ON noetl.pause_rule TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.pause_rule, noetl.pause_end TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.metrics() TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.set_limit(text, integer, jsonb), noetl.unset_limit(text) TO noetl_admin;
    GRANT SELECT ON noetl.slot TO noetl_client, noetl_reader;
    GRANT SELECT ON noetl.limit_use, noetl.limit_rule, noetl.limit_pace TO noetl_admin;
    GRANT EXECUTE ON FUNCTION noetl.retry(bigint, text, jsonb, text), noetl.skip(bigint, text, jsonb, text), noetl.redrive(bigint, jsonb, text), noetl.fork(bigint, text, jsonb, integer, integer), noetl.migrate(bigint, integer, jsonb, boolean), noetl.redrive_all(text, text, timestamptz, jsonb, integer, boolean), noetl.retry_all(text, text, timestamptz, jsonb, integer, boolean), noetl.cancel_all(text, text, timestamptz, jsonb, integer, boolean) TO noetl_client;
    GRANT EXECUTE ON FUNCTION noetl.retain(interval, text, boolean), noetl.maintain() TO noetl_admin;
    GRANT SELECT ON noetl.retention TO noetl_reader, noetl_admin;
    GRANT noetl_client, noetl_worker, noetl_author, noetl_reader TO noetl_admin;
END
$$;
REVOKE ALL ON FUNCTION noetl.create_roles() FROM PUBLIC;
COMMENT ON FUNCTION noetl.create_roles() IS
    'creates the roles noetl_client, noetl_worker, noetl_author, noetl_reader and noetl_admin where they do not exist, and grants them their rights in this database; needs CREATEROLE and the rights of the extension''s owner';

-- What ALTER DEFAULT PRIVILEGES has handed out on all this is taken back.
DO $$
DECLARE
    command pg_catalog.text;
BEGIN
    FOR command IN
        SELECT pg_catalog.format('REVOKE ALL ON %s FROM %s', o.object,
                   CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
                        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
          FROM (SELECT CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char" THEN 'SEQUENCE '
                            ELSE 'TABLE ' END
                       OPERATOR(pg_catalog.||) c.oid::pg_catalog.regclass::pg_catalog.text AS object,
                       c.relacl AS acl, c.relowner AS owner, true AS from_public, c.relnamespace AS namespace
                  FROM pg_catalog.pg_class AS c
                UNION ALL
                SELECT 'ROUTINE ' OPERATOR(pg_catalog.||) p.oid::pg_catalog.regprocedure::pg_catalog.text,
                       p.proacl, p.proowner, false, p.pronamespace
                  FROM pg_catalog.pg_proc AS p
                UNION ALL
                SELECT 'TYPE ' OPERATOR(pg_catalog.||) t.oid::pg_catalog.regtype::pg_catalog.text,
                       t.typacl, t.typowner, false, t.typnamespace
                  FROM pg_catalog.pg_type AS t
                UNION ALL
                SELECT 'SCHEMA noetl', n.nspacl, n.nspowner, false, n.oid
                  FROM pg_catalog.pg_namespace AS n) AS o
         CROSS JOIN LATERAL pg_catalog.aclexplode(o.acl) AS a
         WHERE o.namespace OPERATOR(pg_catalog.=) 'noetl'::pg_catalog.regnamespace
           AND a.grantee OPERATOR(pg_catalog.<>) o.owner
           AND (o.from_public OR a.grantee OPERATOR(pg_catalog.<>) 0::pg_catalog.oid)
         GROUP BY 1
    LOOP
        EXECUTE command;
    END LOOP;
    REVOKE CREATE ON SCHEMA noetl FROM PUBLIC;
END
$$;

-- Who may read which rows, if granted SELECT.  Superusers and the owner read all;
-- workers read the queue.  INSERT is decided on by the trigger of noetl.event.
ALTER TABLE noetl.execution ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.start_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.workload ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.arrival ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.item ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.pending ENABLE ROW LEVEL SECURITY;
ALTER TABLE noetl.queue ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.execution FOR SELECT USING (noetl.acts_for(started_by));
CREATE POLICY members_read ON noetl.start_key FOR SELECT USING (noetl.acts_for(started_by));
CREATE POLICY members_read ON noetl.workload FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.event FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY clients_insert ON noetl.event FOR INSERT WITH CHECK (true);
CREATE POLICY members_read ON noetl.run FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.arrival FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.item FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.pending FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY members_read ON noetl.queue FOR SELECT USING (noetl.may_read(execution_id));
CREATE POLICY workers_read ON noetl.queue FOR SELECT USING ((SELECT pg_catalog.has_function_privilege(
    'noetl.lease(pg_catalog.text, pg_catalog.int4, pg_catalog.interval, pg_catalog.text[])'::pg_catalog.regprocedure,
    'EXECUTE')));

SELECT pg_catalog.pg_extension_config_dump('noetl.catalog', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.catalog_catalog_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.catalog_path', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.execution', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.start_key', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.workload', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.event', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.run', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.retention', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.arrival', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.item', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.pending', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.family', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.reaper_failure', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.queue', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.runtime', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.runtime_runtime_id_seq', '');

-- Whoever installs the extension hears of a timer that does nothing; noetl.why() says it later.
DO LANGUAGE plpgsql $$
BEGIN
    IF noetl.timer_is_idle() THEN
        RAISE WARNING 'noetl.timer is on and has no effect'
            USING HINT = 'Add noetl to shared_preload_libraries and restart the server.';
    END IF;
END
$$;
