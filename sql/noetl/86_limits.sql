-- ---------------------------------------------------------------------------
-- Limits (src/engine/limit.c, src/store/limit.c, src/api/limit.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.settle_limit(name text) RETURNS integer
    AS 'MODULE_PATHNAME', 'noetl_settle_limit'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION noetl.settle_limit(text) IS
    'hands free slots of a limit to what waits for them; part of noetl.set_limit(). Returns the number of keys that something waits for';

CREATE FUNCTION noetl.set_limit(name text, concurrency integer DEFAULT NULL, rate jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    per text := set_limit.rate ->> 'per';
    span bigint;
BEGIN
    IF coalesce(octet_length(set_limit.name), 0) NOT BETWEEN 1 AND 200 OR set_limit.concurrency < 0 THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a limit needs a name of 1 to 200 bytes, and a concurrency that is not negative';
    END IF;
    IF set_limit.rate IS NOT NULL THEN
        per := CASE WHEN per ~ '^[[:alpha:]]+$' THEN '1 ' || per WHEN per ~ '^[0-9.]+$' THEN per || ' s' ELSE per END;
        BEGIN
            span := extract(epoch FROM per::interval) * 1000000;
            IF coalesce((set_limit.rate ->> 'limit')::integer, 0) <= 0 OR coalesce(span, 0) <= 0
               OR (set_limit.rate ->> 'burst')::integer <= 0 THEN
                span := NULL;
            END IF;
        EXCEPTION WHEN data_exception THEN
            span := NULL;
        END;
        IF span IS NULL THEN
            RAISE invalid_parameter_value USING MESSAGE = 'a rate needs a limit and a span of time, per, above zero',
                HINT = 'For example {"limit": 100, "per": "minute", "burst": 10}.';
        END IF;
        IF span >= extract(epoch FROM interval '36525 days') * 1000000 THEN
            RAISE invalid_parameter_value USING MESSAGE = 'per of a rate must be shorter than a century';
        END IF;
    END IF;
    INSERT INTO noetl.limit_rule (name, concurrency, rate, per, burst)
         VALUES (set_limit.name, set_limit.concurrency, (set_limit.rate ->> 'limit')::integer, span,
                 CASE WHEN span IS NOT NULL THEN coalesce((set_limit.rate ->> 'burst')::integer, 1) END)
    ON CONFLICT ON CONSTRAINT limit_rule_pkey DO UPDATE
       SET concurrency = excluded.concurrency, rate = excluded.rate, per = excluded.per, burst = excluded.burst,
           updated_at = clock_timestamp();
    PERFORM noetl.settle_limit(set_limit.name);
END
$$;
COMMENT ON FUNCTION noetl.set_limit(text, integer, jsonb) IS
    'says what a limit is, for all playbooks that use its name, instead of what they say: how many at the same time (null: any number; 0: none), and at which rate they begin ({"limit": 100, "per": "minute", "burst": 10}). What waits begins at once if it may; nothing that has begun is stopped';

CREATE FUNCTION noetl.unset_limit(name text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    found_it boolean;
BEGIN
    DELETE FROM noetl.limit_rule AS r WHERE r.name = unset_limit.name;
    found_it := FOUND;
    PERFORM noetl.settle_limit(unset_limit.name);
    RETURN found_it;
END
$$;
COMMENT ON FUNCTION noetl.unset_limit(text) IS
    'takes noetl.set_limit() back: what the playbooks say counts again; returns whether there was something to take back';

CREATE VIEW noetl.limit_use WITH (security_barrier) AS
    SELECT s.name, s.key, count(*) FILTER (WHERE s.held) AS held, count(*) FILTER (WHERE NOT s.held) AS waiting,
           CASE WHEN r.name IS NULL THEN min((s.spec OPERATOR(pg_catalog.->) s.ordinal OPERATOR(pg_catalog.->>) 'concurrency')::integer) ELSE r.concurrency END AS concurrency,
           min(s.since) FILTER (WHERE NOT s.held) AS waiting_since
      FROM noetl.slot AS s LEFT JOIN noetl.limit_rule AS r USING (name)
     GROUP BY s.name, s.key, r.name, r.concurrency;
COMMENT ON VIEW noetl.limit_use IS
    'of each limit and key in use: how many have a slot, how many wait and since when';

REVOKE ALL ON FUNCTION noetl.settle_limit(text), noetl.set_limit(text, integer, jsonb), noetl.unset_limit(text) FROM PUBLIC;

ALTER TABLE noetl.slot ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_read ON noetl.slot FOR SELECT USING (noetl.may_read(execution_id));

SELECT pg_catalog.pg_extension_config_dump('noetl.slot', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.limit_pace', '');
SELECT pg_catalog.pg_extension_config_dump('noetl.limit_rule', '');
