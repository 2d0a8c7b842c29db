-- ---------------------------------------------------------------------------
-- Several databases behind PL/Proxy: the script for the database in front.  It is
-- made of what the extension has, so that it lacks no function.
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.proxy_script(nodes text[], keyed integer DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    count   CONSTANT integer := coalesce(cardinality(nodes), 0);
    spread  CONSTANT integer := coalesce(keyed, count);
    script  text;
    routine record;
    part    text;
BEGIN
    IF count = 0 OR array_position(nodes, NULL) IS NOT NULL OR count > 1024 THEN
        RAISE EXCEPTION 'there must be 1 to 1024 connection strings'
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'The first one is that of the database whose noetl.node_id is 0, the second that of 1, and so on.';
    END IF;
    IF spread NOT BETWEEN 1 AND count THEN
        RAISE EXCEPTION 'keyed must be 1 to %', count USING ERRCODE = 'invalid_parameter_value';
    END IF;

    script := concat_ws(E'\n',
        '-- For the database in front of noetl''s databases; made by noetl.proxy_script().',
        '-- It replaces what an earlier script has made.',
        'BEGIN;',
        'CREATE EXTENSION IF NOT EXISTS plproxy;',
        'DROP SCHEMA IF EXISTS noetl CASCADE;',
        'DROP SERVER IF EXISTS noetl CASCADE;',
        'CREATE SCHEMA noetl;',
        'GRANT USAGE ON SCHEMA noetl TO PUBLIC;',
        'CREATE SERVER noetl FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping ''1''');
    FOR i IN 1 .. count LOOP
        script := script || format(E',\n    p%s %L', i - 1, nodes[i]);
    END LOOP;
    script := script || concat_ws(E'\n', ');',
        'CREATE USER MAPPING FOR PUBLIC SERVER noetl;',
        'GRANT USAGE ON FOREIGN SERVER noetl TO PUBLIC;',
        '',
        '-- The node that made an execution_id or a queue_id.',
        'CREATE FUNCTION noetl.node_of(id bigint) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE',
        '    AS ''SELECT ((id >> 12) & 1023)::integer'';',
        '-- The node of what is started under a key: keys are spread over the first ' || spread || ' nodes.',
        'CREATE FUNCTION noetl.node_of_key(path text, key text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE',
        format('    AS ''SELECT ((hashtext(path || chr(1) || key)::bigint + 2147483648) %% %s)::integer'';', spread),
        E'-- Which nodes there are.\nCREATE FUNCTION noetl.node_at(place integer, OUT node integer, OUT database text, OUT version text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place;',
        '    SELECT current_setting(''noetl.node_id'')::integer AS node, current_database()::text AS database,',
        '           (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = ''noetl'') AS version;$proxy$;',
        'CREATE VIEW noetl.nodes AS',
        format('    SELECT place, n.* FROM generate_series(0, %s) AS place, noetl.node_at(place) AS n;', count - 1),
        '', '');

    -- What is about one execution or task goes to its node, what is about many to all.
    FOR routine IN
        SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments,
               pg_get_function_result(p.oid) AS result,
               CASE p.proargnames[1] WHEN 'execution_id' THEN 'noetl.node_of(execution_id)'
                                     WHEN 'queue_id' THEN 'noetl.node_of(queue_id)'
                                     ELSE 'ALL' END AS target
          FROM pg_proc AS p
          JOIN pg_type AS t ON t.oid = p.prorettype
          JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
          JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
         WHERE e.extname = 'noetl' AND p.prokind = 'f' AND t.typtype <> 'c'
           AND p.proname !~ '_unchecked$'
           AND p.proname NOT IN ('enqueue_next', 'acts_for', 'may_read',
                                 'last_progress', 'pause_of', 'held_since', 'why_blocked', 'why_locked')
           AND (p.proargnames[1] IN ('execution_id', 'queue_id') AND p.proargtypes[0] = 'bigint'::regtype
                OR p.proretset AND p.proname ~ '_all$')
         ORDER BY p.proname, p.oid
    LOOP
        script := script || format(
            E'CREATE FUNCTION noetl.%I(%s) RETURNS %s\n    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON %s;$proxy$;\n',
            routine.name, routine.arguments, routine.result, routine.target);
    END LOOP;

    -- Starts: by the key, or anywhere.
    FOR routine IN
        SELECT p.proname AS name, pg_get_function_arguments(p.oid) AS arguments, array_to_string(p.proargnames, ', ') AS names,
               p.proname = 'execute' AS may_lack_key
          FROM pg_proc AS p
         WHERE p.pronamespace = 'noetl'::regnamespace AND p.proname IN ('execute', 'debounce')
    LOOP
        part := regexp_replace(routine.arguments, ' DEFAULT [^,]*(''::[a-z]+)?', '', 'g');
        script := script || format(
            E'CREATE FUNCTION noetl.%1$s_on(node integer, %2$s) RETURNS bigint\n'
            '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON node; SELECT noetl.%1$s(%3$s);$proxy$;\n'
            'CREATE FUNCTION noetl.%1$s(%4$s) RETURNS bigint LANGUAGE sql\n'
            '    AS $proxy$SELECT noetl.%1$s_on(%5$s, %3$s)$proxy$;\n',
            routine.name, part, routine.names, routine.arguments,
            CASE WHEN routine.may_lack_key
                 THEN format('coalesce(noetl.node_of_key(path, key), floor(random() * %s)::integer)', count)
                 ELSE 'noetl.node_of_key(path, key)' END);
    END LOOP;
    IF to_regprocedure('noetl.send(text, text, jsonb, interval, text)') IS NOT NULL THEN
        script := script || concat_ws(E'\n',
            '-- A message goes to whoever waits for it, on any node; it is not kept for later ones.',
            'CREATE FUNCTION noetl.send_all(name text, key text, data jsonb, id text) RETURNS SETOF bigint',
            '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL; SELECT noetl.send(name, key, data, NULL::interval, id);$proxy$;',
            'CREATE FUNCTION noetl.send(name text, key text, data jsonb DEFAULT NULL, id text DEFAULT NULL) RETURNS bigint LANGUAGE sql',
            '    AS $proxy$SELECT sum(n)::bigint FROM noetl.send_all(name, key, data, id) AS n$proxy$;',
            '');
    END IF;

    -- The catalog is the same everywhere.
    script := script || concat_ws(E'\n',
        'CREATE FUNCTION noetl.register_on(place integer, content text, path text) RETURNS bigint',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place; SELECT noetl.register(content, path);$proxy$;',
        'CREATE FUNCTION noetl.register(content text, path text DEFAULT NULL) RETURNS TABLE (node integer, catalog_id bigint)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL;',
        '    SELECT current_setting(''noetl.node_id'')::integer AS node, noetl.register(content, path) AS catalog_id;$proxy$;',
        'CREATE FUNCTION noetl.catalog_on(place integer) RETURNS TABLE (path text, version integer, digest bytea, content text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place;',
        '    SELECT c.path, c.version, c.digest, c.content FROM noetl.catalog AS c',
        '     WHERE strpos(c.path, ''#'') = 0 ORDER BY c.catalog_id;$proxy$;',
        '-- Registers on one node what another has and it lacks; returns how many versions.',
        'CREATE FUNCTION noetl.copy_catalog(from_place integer, to_place integer) RETURNS bigint LANGUAGE sql',
        '    AS $proxy$SELECT count(noetl.register_on(to_place, f.content, f.path)) FROM noetl.catalog_on(from_place) AS f',
        '     WHERE (f.path, f.version, f.digest) NOT IN (SELECT t.path, t.version, t.digest FROM noetl.catalog_on(to_place) AS t)$proxy$;',
        'CREATE FUNCTION noetl.validate(content text)',
        '    RETURNS TABLE (severity text, line integer, col integer, path text, message text, hint text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ANY;$proxy$;',
        '', '');

    -- Lists: the rows of all nodes, with the number of the node.
    FOR routine IN
        SELECT c.relname AS name, string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) AS columns,
               string_agg(format('v.%I', a.attname), ', ' ORDER BY a.attnum) AS names
          FROM pg_class AS c
          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relnamespace = 'noetl'::regnamespace AND c.relkind = 'v'
           AND c.relname IN ('backlog', 'running', 'failure', 'worker', 'waiting')
         GROUP BY c.relname ORDER BY c.relname
    LOOP
        script := script || format(
            E'CREATE FUNCTION noetl.%1$s_of_all() RETURNS TABLE (node integer, %2$s)\n'
            '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL;\n'
            '    SELECT current_setting(''noetl.node_id'')::integer AS node, %3$s FROM noetl.%1$I AS v;$proxy$;\n'
            'CREATE VIEW noetl.%1$I AS SELECT * FROM noetl.%1$s_of_all();\n',
            routine.name, routine.columns, routine.names);
    END LOOP;
    script := script || concat_ws(E'\n',
        '-- The newest executions of all nodes.',
        'CREATE FUNCTION noetl.executions_of_all(path text, status text, max integer)',
        '    RETURNS TABLE (node integer, execution_id bigint, path text, version integer, status text, started_at timestamptz, ended_at timestamptz, error text)',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON ALL;',
        '    SELECT current_setting(''noetl.node_id'')::integer AS node, x.execution_id, x.path, x.version, x.status, x.started_at, x.ended_at, x.error',
        '      FROM noetl.execution AS x WHERE x.path = coalesce(path, x.path) AND x.status = coalesce(status, x.status)',
        '     ORDER BY x.execution_id DESC LIMIT max;$proxy$;',
        'CREATE FUNCTION noetl.executions(path text DEFAULT NULL, status text DEFAULT NULL, max integer DEFAULT 100)',
        '    RETURNS TABLE (node integer, execution_id bigint, path text, version integer, status text, started_at timestamptz, ended_at timestamptz, error text)',
        '    LANGUAGE sql AS $proxy$SELECT * FROM noetl.executions_of_all($1, $2, $3) AS x ORDER BY x.execution_id DESC LIMIT $3$proxy$;',
        '-- The metrics of all nodes, each with the label "node".',
        'CREATE FUNCTION noetl.metrics_on(place integer) RETURNS text',
        '    LANGUAGE plproxy AS $proxy$CLUSTER ''noetl''; RUN ON place; SELECT noetl.metrics();$proxy$;',
        'CREATE FUNCTION noetl.metrics() RETURNS text LANGUAGE sql',
        '    AS $proxy$',
        '    WITH line AS (',
        '        SELECT n.node, l.number, l.line,',
        '               sum((l.line ~ ''^# (TYPE|HELP|UNIT) '')::integer) OVER (PARTITION BY n.node ORDER BY l.number) AS head,',
        '               coalesce(substring(l.line FROM ''^# [A-Z]+ ([a-zA-Z0-9_:]+)''), '''') AS name',
        '          FROM noetl.nodes AS n, unnest(string_to_array(noetl.metrics_on(n.place), E''\n'')) WITH ORDINALITY AS l(line, number)',
        '         WHERE l.line NOT IN ('''', ''# EOF'')),',
        '    family AS (',
        '        SELECT node, number, line, max(name) FILTER (WHERE name <> '''') OVER (PARTITION BY node, head) AS name FROM line),',
        '    labelled AS (',
        '        SELECT name, number, node, line LIKE ''#%'' AS is_head,',
        '               CASE WHEN line LIKE ''#%'' THEN line',
        '                    WHEN line ~ ''^[^ ]+\{'' THEN regexp_replace(line, ''\{'', ''{node="'' || node || ''",'')',
        '                    ELSE regexp_replace(line, '' '', ''{node="'' || node || ''"} '') END AS line',
        '          FROM family),',
        '    once AS (',
        '        SELECT line, name, is_head, min(number) AS number, min(node) AS node FROM labelled GROUP BY line, name, is_head)',
        '    SELECT string_agg(line, E''\n'' ORDER BY (SELECT min(f.number) FROM once AS f WHERE f.name = once.name), name, is_head DESC, node, number)',
        '           || E''\n# EOF\n'' FROM once',
        '    $proxy$;',
        '',
        '-- The databases must be given in the order of their numbers.',
        'DO $proxy$',
        'DECLARE',
        '    wrong record;',
        'BEGIN',
        '    SELECT * INTO wrong FROM noetl.nodes WHERE node <> place LIMIT 1;',
        '    IF FOUND THEN',
        '        RAISE EXCEPTION ''the database "%" is number % of the list, and its noetl.node_id is %'', wrong.database, wrong.place, wrong.node',
        '            USING HINT = ''Each database has a number of its own: ALTER DATABASE ... SET noetl.node_id = '' || wrong.place || ''.'';',
        '    END IF;',
        'END',
        '$proxy$;',
        'COMMIT;',
        '');
    RETURN script;
END
$$;
REVOKE ALL ON FUNCTION noetl.proxy_script(text[], integer) FROM PUBLIC;
COMMENT ON FUNCTION noetl.proxy_script(text[], integer) IS
    'returns the SQL script for a database with PL/Proxy that stands in front of several databases with noetl; nodes: their connection strings, in the order of their noetl.node_id from 0; keyed: over how many of the first ones keyed starts are spread (all), which stays as it is when a node is added';
