CREATE FUNCTION tryv(x bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT v::text FROM noetl.verify(x) v;
EXCEPTION WHEN others THEN RETURN NEXT sqlerrm;
END $$;
SELECT x.path, left(v, 1500) FROM noetl.execution x, tryv(x.execution_id) v ORDER BY x.execution_id;
SELECT count(*) > 0 FROM noetl.execution;
