\pset format unaligned
-- The library must be loaded for its settings to exist.
SELECT noetl.id_time(0) IS NOT NULL AS loaded;
-- What other programs rely on: the functions and their properties.
SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS function,
       pg_get_function_result(p.oid) AS result,
       p.provolatile AS volatile, p.proisstrict AS strict, p.proparallel AS parallel,
       has_function_privilege('public', p.oid, 'EXECUTE') AS public
  FROM pg_proc p
 WHERE p.pronamespace = 'noetl'::regnamespace AND p.prorettype <> 'trigger'::regtype
 ORDER BY p.proname, pg_get_function_arguments(p.oid) COLLATE "C";

-- The columns that NoETL's own queries use.
SELECT table_name, string_agg(column_name || ' ' || udt_name, ', ' ORDER BY ordinal_position) AS columns
  FROM information_schema.columns
 WHERE table_schema = 'noetl' AND table_name NOT LIKE 'event\_%'
 GROUP BY table_name
 ORDER BY table_name COLLATE "C";

-- Nothing without a comment.
SELECT pg_describe_object(classid, objid, 0)
  FROM (SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'noetl'::regnamespace
        UNION ALL
        SELECT 'pg_class'::regclass, oid FROM pg_class
         WHERE relnamespace = 'noetl'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition) AS o (classid, objid)
 WHERE obj_description(objid, classid::regclass::name) IS NULL
 ORDER BY 1;

-- No function in SQL that looks names up along the caller's path.
SELECT p.oid::regprocedure
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.pronamespace = 'noetl'::regnamespace
   AND (l.lanname IN ('sql', 'plpgsql') OR p.prosecdef)
   AND NOT coalesce(p.proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false)
 ORDER BY 1;

-- Nothing of a table, and no function with effects, is everybody's.
SELECT c.oid::regclass, a.privilege_type
  FROM pg_class c, aclexplode(c.relacl) a
 WHERE c.relnamespace = 'noetl'::regnamespace AND a.grantee = 0
 ORDER BY 1, 2;

-- The settings.
SELECT name, setting, context FROM pg_settings WHERE name LIKE 'noetl.%' ORDER BY name COLLATE "C";
