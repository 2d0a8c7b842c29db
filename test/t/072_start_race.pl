# Many sessions start with few keys, in every way, while others end executions and
# serve what is due: of each key one execution at most runs, and none is lost.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = 4;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION noetl;
	SELECT noetl.register('{apiVersion: noetl.io/v1, kind: Playbook, path: race, workflow: [{step: a, type: python, code: x, next: end}, {step: end}]}');
	CREATE TABLE got (way text, key int, id bigint);
});

my $script = $node->basedir . '/race.pgbench';
append_to_file(
	$script, q{
\set k random(1, 12)
\set way random(1, 6)
\if :way = 1
INSERT INTO got SELECT 'return', :k, noetl.execute('race', key => 'return ' || :k);
\elif :way = 2
INSERT INTO got SELECT 'running', :k, noetl.execute('race', key => 'running ' || :k, on_conflict => 'running');
\elif :way = 3
INSERT INTO got SELECT 'replace', :k, noetl.execute('race', key => 'replace ' || :k, on_conflict => 'replace');
\elif :way = 4
INSERT INTO got SELECT 'debounce', :k, noetl.debounce('race', 'debounce ' || :k, '0.02 s', max_wait => '0.1 s');
\elif :way = 5
SELECT count(noetl.cancel(execution_id)) FROM (SELECT k.execution_id FROM noetl.start_key AS k JOIN noetl.execution AS x USING (execution_id) WHERE x.ended_at IS NULL ORDER BY random() LIMIT 1) AS one;
\else
SELECT noetl.enqueue_next();
\endif
});
$node->command_ok(['pgbench', '-n', '-c', 8, '-j', 2, '-T', $seconds, '-f', $script, '-d', $node->connstr('postgres')],
	"eight sessions race for $seconds seconds");

# One number, by a query.
sub number
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM ($_[0]) AS q");
}

cmp_ok(number('TABLE got'), '>', 100, 'there was a race');
is(number(q{SELECT key FROM got WHERE way = 'return' GROUP BY key HAVING count(DISTINCT id) > 1}), 0, 'return: one execution for each key');
is(number(q{SELECT e.context ->> 'key' FROM noetl.event AS e JOIN noetl.execution AS x USING (execution_id)
	WHERE e.event_type = 'execution_start' AND x.status IN ('RUNNING') AND e.context ->> 'key' NOT LIKE 'debounce %'
	GROUP BY 1 HAVING count(*) > 1}), 0, 'running, replace: one that runs for each key at most');
is(number(q{SELECT e.context ->> 'key' FROM noetl.event AS e JOIN noetl.execution AS x USING (execution_id)
	WHERE e.event_type = 'execution_start' AND x.status = 'SCHEDULED' GROUP BY 1 HAVING count(*) > 1}), 0, 'debounce: one that is scheduled for each key at most');
is(number(q{SELECT FROM noetl.event WHERE event_type = 'execution_due' GROUP BY execution_id HAVING count(*) > 1}), 0, 'none begins twice');
is(number(q{SELECT FROM got WHERE NOT EXISTS (SELECT FROM noetl.execution AS x WHERE x.execution_id = got.id)}), 0, 'none is lost');
is(number(q{SELECT FROM noetl.execution AS x, noetl.verify(x.execution_id)}), 0, 'all follow from their logs');
is(number('TABLE noetl.reaper_failure'), 0, 'nothing failed');
$node->stop;

done_testing();
