\pset format unaligned
-- A condition is a template or, without braces, an expression.
SELECT noetl.evaluate('n > 5 and city in ["Oslo", "Rome"]', '{"n": 6, "city": "Rome"}');
SELECT noetl.evaluate('{{ n > 5 }}', '{"n": 5}');

-- Text is true unless it says no.
SELECT v, noetl.evaluate('v', jsonb_build_object('v', v))
FROM unnest(ARRAY['', ' ', 'False', 'no', 'N', 'off', '0', 'none', 'NULL', '{}', '[]', 'true', 'yes', '0.0', 'x']) AS v;

-- Everything else has Python's truth.
SELECT v, noetl.evaluate('v', jsonb_build_object('v', v))
FROM unnest(ARRAY['0', '0.0', '1', 'null', 'true', 'false', '[]', '{}', '[0]', '{"a": null}']::jsonb[]) AS v;
SELECT noetl.evaluate('', '{}') AS empty, noetl.evaluate('nope', '{}') AS undefined;

-- now() is the time of the transaction.
SELECT noetl.render('{{ now() }}', '{}') #>> '{}' = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS now;
