-- What in_flight.sql has left is as its log says in the new version, and the
-- worker that holds leases reports what it has done.
\set ON_ERROR_STOP on
\set QUIET on
DO $$
BEGIN
    ASSERT (SELECT extversion FROM pg_extension WHERE extname = 'noetl') <> '0.1.0', 'the version is the new one';
    ASSERT (SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING') >= 500, 'executions are in flight';
    ASSERT NOT EXISTS (SELECT FROM noetl.execution AS x, noetl.verify(x.execution_id)), 'state follows from the log';
    ASSERT (SELECT count(*) FROM noetl.partitions()) = 2, 'partitions are there';
    ASSERT (SELECT bool_and(noetl.complete(queue_id, '{"v": 0}', 'keeper')) AND count(*) = 40
              FROM noetl.queue WHERE worker_id = 'keeper'), 'leases are good';
    ASSERT NOT EXISTS (SELECT FROM noetl.execution AS x, noetl.verify(x.execution_id)), 'state follows from the log after reports';
END
$$;
