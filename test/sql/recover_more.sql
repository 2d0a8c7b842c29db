-- After a failure: forks from runs that nobody had to work on, steps that are skipped between attempts.
SET timezone = 'UTC';

-- The input that the transitions gave is kept, also of a run that ended together with the one before it.
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/fork
workflow:
- {step: start, next: [{step: load, data: {n: 1}}, ask]}
- {step: load, next: [{step: nap, data: {m: "{{ data.n + 1 }}"}}]}
- {step: nap, type: wait, for: 0, next: [{step: idle, data: {k: "{{ data.m + 1 }}"}}]}
- {step: idle, type: recover_more, when: "{{ false }}", next: [{step: join, data: {j: 4}}]}
- {step: ask, type: wait, signal: answer, next: join}
- {step: join, join: all, next: end}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/fork') AS x \gset
SELECT noetl.skip(:x, 'join');
SELECT noetl.fork(:x, 'load') AS load, noetl.fork(:x, 'nap') AS nap, noetl.fork(:x, 'idle') AS idle,
       noetl.fork(:x, 'join') AS join, noetl.fork(:x, 'ask') AS ask \gset
SELECT context ->> 'step' AS step, context -> 'data' AS data, (SELECT count(*) FROM noetl.verify(execution_id)) AS wrong
  FROM noetl.event WHERE execution_id IN (:load, :nap, :idle, :join, :ask) AND event_type = 'execution_forked' ORDER BY execution_id;
SELECT status, count(*) FROM noetl.execution WHERE execution_id IN (:load, :nap, :idle, :join, :ask) GROUP BY status ORDER BY status;
-- A fork of the fork as well, and one from an earlier visit.
SELECT noetl.fork(:load, 'nap') AS again \gset
SELECT context -> 'data' AS data FROM noetl.event WHERE execution_id = :again AND event_type = 'execution_forked';
SELECT count(noetl.cancel(id)) FROM unnest(ARRAY[:x, :ask]) AS id;
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
path: recover_more/visits
workflow:
- {step: start, next: [{step: turn, data: {n: 1}}]}
- {step: turn, next: [{when: "{{ data.n < 3 }}", then: [{step: turn, data: {n: "{{ data.n + 1 }}"}}]}, {else: [end]}]}
- {step: end}
$$) > 0 AS registered;
SELECT noetl.execute('recover_more/visits') AS x \gset
SELECT noetl.fork(:x, 'turn', visit => 2) AS second, noetl.fork(:x, 'turn') AS third \gset
SELECT context -> 'data' AS data, (SELECT count(*) FROM noetl.verify(execution_id)) AS wrong
  FROM noetl.event WHERE execution_id IN (:second, :third) AND event_type = 'execution_forked' ORDER BY execution_id;
