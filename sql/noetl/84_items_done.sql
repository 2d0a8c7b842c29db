-- ---------------------------------------------------------------------------
-- Iterators that a worker goes through (src/api/iterator.c)
-- ---------------------------------------------------------------------------

CREATE FUNCTION noetl.items_done(queue_id bigint, worker_id text)
    RETURNS TABLE (index integer, failed boolean, value jsonb, error text, item jsonb)
    AS 'MODULE_PATHNAME', 'noetl_items_done'
    LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION noetl.items_done(bigint, text) IS
    'returns the items of a leased iterator that have ended already, before it was given back or its lease was lost: by the iteration_completed and iteration_failed events of the current attempt; and those that had completed before noetl.redrive, or noetl.retry without an input, gave the step new attempts; empty when the worker does not hold the lease';
REVOKE ALL ON FUNCTION noetl.items_done(bigint, text) FROM PUBLIC;
