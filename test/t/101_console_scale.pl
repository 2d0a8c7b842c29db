# noetl-console with 100,000 open executions: what its pages read is bounded, whoever
# looks; lists are paged by key; and pages that are open cost nothing while nothing
# happens.  What is compared are plans and counts, no times.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

my $executions = 100_000;
my $playbook = <<'EOT';
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: work}
workflow:
  - step: start
    next: act
  - step: act
    tool: shell
    command: "true"
    next: end
  - step: end
EOT
my $node = start_database(qq{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	CREATE ROLE bob LOGIN PASSWORD 'bob pw' IN ROLE noetl_client, noetl_reader;
	CREATE ROLE zoe LOGIN PASSWORD 'zoe pw' IN ROLE noetl_admin;
	SET ROLE ann;
	SELECT noetl.register(\$y\$$playbook\$y\$);
	SELECT noetl.register(replace(\$y\$$playbook\$y\$, 'path: work', 'path: other'));
});
sub execute { my ($count, $rest) = @_; return sql("SET ROLE ann; SET synchronous_commit = off; SELECT count(noetl.execute('work'$rest)) FROM generate_series(1, $count) AS i") }
execute($executions - 1000, '');
execute(1000, q{, key => 'key ' || i, labels => jsonb_build_object('n', i::text)});
sql(q{SET ROLE bob; SELECT count(noetl.execute('other')) FROM generate_series(1, 3)});
sql(q{SELECT noetl.announce('w', '{shell}', '{"host": "h"}')});
sql(q{SELECT count(*) FROM noetl.lease('w', 200)});
sql(q{SELECT count(noetl.fail(queue_id, 'broken ' || queue_id, 'w')) FROM noetl.queue WHERE status = 'leased' AND queue_id % 2 = 0});
sql('VACUUM ANALYZE');

# From here on the plan of each statement of these roles is in the log.
$node->append_conf('postgresql.conf', qq{session_preload_libraries = 'auto_explain'
autovacuum = off
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_format = json
auto_explain.log_nested_statements = off
});
$node->reload;
my $probe = $node->psql('postgres', 'SHOW auto_explain.log_analyze', on_error_stop => 0, extra_params => ['-At'], stdout => \my $loaded, stderr => \my $missing);
plan skip_all => 'there is no auto_explain' unless ($loaded // '') =~ /on/;

my $console = start_console();
my %who = map { $_ => login($console, $_, "$_ pw") } qw(ann bob zoe);

# Walks a plan; calls back with each node.
sub walk
{
	my ($plan, $found) = @_;
	$found->($plan);
	walk($_, $found) foreach @{ $plan->{Plans} || [] };
	return;
}

# What a page asks for: sequential scans of large tables, and the rows that scans read.
sub plans_of
{
	my ($role, $path) = @_;
	my $from = -s $node->logfile;
	my $answer = get($who{$role}, $path);
	is($answer->{status}, 200, "$role: $path");
	my $log = slurp_file($node->logfile, $from);
	my (@scans, $read, $count);
	$read = $count = 0;
	my $duration = 0;
	$duration += $1 while $log =~ /duration: ([0-9.]+) ms  plan:/g;
	note(sprintf('%s: %s takes the database %.0f ms', $role, $path, $duration));
	while ($log =~ /plan:\n(\s*\{.*?\n\s*\}\n)(?=\S|\z)/gs)
	{
		my $plan = eval { decode_json($1) } or next;
		$count++;
		walk($plan->{Plan}, sub {
			my ($one) = @_;
			return unless ($one->{'Node Type'} || '') =~ /Scan/ && ($one->{'Relation Name'} || '') =~ /^(execution|queue|event.*|run|workload|start_key)$/;
			push @scans, "$one->{'Relation Name'}: " . substr($plan->{'Query Text'}, 0, 80) if $one->{'Node Type'} eq 'Seq Scan';
			$read += ($one->{'Actual Rows'} + ($one->{'Rows Removed by Filter'} || 0)) * $one->{'Actual Loops'};
		});
	}
	cmp_ok($count, '>', 0, "$role: the plans of $path are in the log");
	is_deeply(\@scans, [], "$role: $path reads no large table from end to end");
	return ($read, $answer->{content});
}

my ($read, $page) = plans_of('zoe', '/');
cmp_ok($read, '<', 50_000, 'an administrator\'s overview reads a bounded number of rows');
like($page, qr/10000\+<\/b>/, 'and says that there are more');
like($page, qr/shell<\/td><td>work<\/td>.*?2000\+/s, 'also of the tasks that are ready');
($read) = plans_of('ann', '/');
cmp_ok($read, '<', 50_000, 'so does that of who has started them');
($read, $page) = plans_of('bob', '/');
cmp_ok($read, '<=', 4 * $executions, 'who sees few executions reads each at most a few times');
like($page, qr/shell<\/td><td>other<\/td>/, 'and finds its own tasks behind those of others');
unlike($page, qr/<td>work<\/td>/, 'and not theirs');

foreach my $path ('/executions', '/executions?status=RUNNING', '/executions?path=work', '/executions?path=wor*',
	'/executions?status=FAILED', '/executions?label=n%3D77', '/executions?key=key+77', '/executions?key=nobody+has+it',
	'/executions?since=2024-01-01T00:00', '/approvals', '/playbooks', '/schedules')
{
	($read, $page) = plans_of('zoe', $path);
	cmp_ok($read, '<', 5_000, "$path reads few rows, but those that it shows");
	my @ids = $page =~ /name="id" value="(\d+)"/g;
	is(scalar @ids, 1, "$path finds one") if $path =~ /77/;
	is(scalar @ids, 0, "$path finds none") if $path =~ /nobody/;
}

# The last page is no dearer than the first.
my @ids = split /\n/, sql(q{SELECT execution_id FROM noetl.execution ORDER BY execution_id LIMIT 60});
($read, $page) = plans_of('zoe', "/executions?before=$ids[-1]");
cmp_ok($read, '<', 5_000, 'a page in the depth of the list reads few rows');
like($page, qr{/execution/$ids[10]"}, 'and shows them');
($read) = plans_of('ann', '/execution/' . $ids[0]);
cmp_ok($read, '<', 5_000, 'the page of one execution reads few rows');

# One connection waits, for all sessions and all their pages
sub stream
{
	my ($role, $query) = @_;
	my $socket = raw_socket($console, "GET /live?$query HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($who{$role}) ]}\r\n\r\n");
	return { socket => $socket, heard => '', role => $role, query => $query };
}
# Listens until all streams have heard something, or for some seconds.
sub listen_for
{
	my ($pattern, $seconds, @streams) = @_;
	my $until = time + $seconds;
	while (time < $until && grep { $_->{heard} !~ $pattern } @streams)
	{
		my $bits = '';
		vec($bits, fileno($_->{socket}), 1) = 1 foreach @streams;
		next unless select($bits, undef, undef, 0.5);
		foreach my $stream (@streams)
		{
			sysread($stream->{socket}, $stream->{heard}, 4096, length $stream->{heard}) if vec($bits, fileno($stream->{socket}), 1);
		}
	}
	return grep { $_->{heard} =~ $pattern } @streams;
}
my ($mine, $next) = split /\n/, sql(q{SELECT execution_id FROM noetl.execution WHERE status = 'RUNNING' AND path = 'work' ORDER BY execution_id DESC LIMIT 2});
my $bobs = sql(q{SELECT execution_id FROM noetl.execution WHERE path = 'other' LIMIT 1});
sub page_stream
{
	my ($role, $path) = @_;
	my ($query) = get($who{$role}, $path)->{content} =~ /data-live="([^"]*)"/;
	$query =~ s/&amp;/&/g;
	return stream($role, $query);
}
my @lists = map { (page_stream($_, '/'), page_stream($_, '/executions')) } qw(ann bob zoe);
my @shown = map { page_stream($_, "/execution/$mine") } qw(ann zoe);
my $other = page_stream('bob', "/execution/$bobs");
my $curious = stream('bob', "since=0&execution=$mine&mark=");
is(scalar listen_for(qr/retry: 5000/, 60, @lists, @shown, $other, $curious), 10, 'ten pages of three roles listen');
sub settled { return sql(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'noetl-console: watch' AND state = 'active'}) eq 't' }
my $until = time + 60;
sleep 0.1 until settled() || time > $until;
ok(settled(), 'one connection waits');
is(sql(q{SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE application_name = 'noetl-console: watch'}),
	't', 'without a snapshot');
# what the pages were told at their opening is over
my @all = (@lists, @shown, $other, $curious);
listen_for(qr/never/, 3, @all);
$_->{heard} = '' foreach @all;
my $queries = q{SELECT string_agg(pid || ' ' || query_start, ',' ORDER BY pid) FROM pg_stat_activity WHERE application_name LIKE 'noetl-console%'};
my $before = sql($queries);
my @told = listen_for(qr/data:/, 4, @all);
is(sql($queries), $before, 'while nothing happens, the console asks the database for nothing');
is(scalar @told, 0, 'and tells the pages nothing');

sql("SET ROLE ann; SELECT noetl.cancel($mine)");
is(scalar listen_for(qr/data: changed/, 60, @lists, @shown), 8, 'when something has happened, lists and the pages about it are told');
is(scalar listen_for(qr/data: changed/, 2, $other, $curious), 0, 'pages about others are not, nor who may not see it');
my $asked = sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'noetl-console%'});
is($asked, '4', 'three sessions have three connections, and there is the one that waits');

# A session that is busy with a page when something happens
my $busy = page_stream('ann', "/execution/$next");
listen_for(qr/retry: 5000/, 60, $busy);
my $anns = sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'noetl-console' AND usename = 'ann'});
my $waiting = q{SELECT query_start FROM pg_stat_activity WHERE application_name = 'noetl-console: watch'};
kill('STOP', $anns);
my $hung = raw_socket($console, "GET /schedules HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($who{ann}) ]}\r\n\r\n");
sleep 0.5;
$busy->{heard} = '';
my $began = sql($waiting);
sql("SET ROLE ann; SELECT noetl.pause($next)");
$until = time + 60;
sleep 0.1 until sql($waiting) ne $began || time > $until;
sleep 1;
is($busy->{heard}, '', 'a page of a session that is busy is not told yet');
kill('CONT', $anns);
is(scalar listen_for(qr/data: changed/, 60, $busy), 1, 'but when the session is free');
like(scalar(readline($hung)), qr/ 200 /, 'and the page that it was busy with comes');

# Thirteen pages of one session: the oldest gives way
my @many = map { page_stream('ann', '/executions') } 1 .. 13;
is(scalar listen_for(qr/retry: 5000/, 60, @many), 13, 'a session listens for more pages than it may');
my $answer = stream('ann', 'since=0');
like(scalar(readline($answer->{socket})), qr/ 200 /, 'and is not refused');

# The connection that waits is gone
$_->{heard} = '' foreach @shown;
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'noetl-console: watch'});
my $late = page_stream('zoe', "/execution/$next");
listen_for(qr/retry: 5000/, 60, $late);
sql("SET ROLE ann; SELECT noetl.cancel($next)");
is(scalar listen_for(qr/data: changed/, 60, $late), 1, 'without it pages are told all the same');
my $again = login($console, 'zoe', 'zoe pw');
$until = time + 60;
my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'noetl-console: watch'};
sleep 0.1 until sql($waits) eq '1' || time > $until;
is(sql($waits), '1', 'and the next login brings another');
post($_, '/logout', [ csrf => $_->{csrf} ]) foreach values %who, $again;
$until = time + 60;
sleep 0.1 until sql($waits) eq '0' || time > $until;
is(sql($waits), '0', 'when nobody is logged in, nothing waits');

done_testing();
