# noetl-console while pages are open and nothing happens: one connection waits for all of
# them, the program sleeps, and who has logged out leaves nothing behind.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

my $node = start_database(q{CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader});
my $console = start_console();
my $watches = "SELECT count(*) = %d FROM pg_stat_activity WHERE application_name = 'noetl-console: watch'";

# The CPU time of the console alone, in seconds.
sub cpu
{
	my @stat = split ' ', slurp_file("/proc/$console->{harness}{KIDS}[0]{PID}/stat") =~ s/^.*\) //sr;
	return ($stat[11] + $stat[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# A page that listens; it has begun to when this returns.
sub listen_as
{
	my ($browser) = @_;
	my $socket = raw_socket($console, "GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($browser) ]}\r\n\r\n");
	my $head = '';
	while (<$socket>)
	{
		last if /retry: /;
		$head .= $_;
	}
	like($head, qr{^Content-Type: text/event-stream\r$}m, 'what a page listens to is a stream of events');
	return $socket;
}

# Whether a page hears something; the end of its answer is a chunk of no bytes.
sub hears
{
	my ($socket, $pattern) = @_;
	my $heard = '';
	my $until = time + 60;
	while (time < $until)
	{
		my $bits = '';
		vec($bits, fileno($socket), 1) = 1;
		next unless select($bits, undef, undef, 1);
		sysread($socket, $heard, 4096, length $heard) or return 0;
		return 1 if $heard =~ $pattern;
	}
	return 0;
}

my $ann = login($console, 'ann', 'ann pw');
ok($node->poll_query_until('postgres', sprintf($watches, 1)), 'who logs in brings a connection for changes');
my $slow = raw_socket($console, "GET /login HTTP/1.1\r\nHost: localhost\r\n");
# longer than the console waits before it looks for such a connection again
my $idle = cpu();
sleep 8;
cmp_ok(cpu() - $idle, '<', 0.5, 'the console sleeps while no page is open');
print $slow "Connection: close\r\n\r\n";
like(scalar(<$slow>), qr/ 200 /, 'who sends the other half of a request later has a page');
is(sql(sprintf("$watches AND state = 'active'", 0)), 't', 'the connection does nothing while no page is open');
my $page = listen_as($ann);
ok($node->poll_query_until('postgres', sprintf("$watches AND state = 'active'", 1)),
	'a page is open, and one connection waits for changes');
my $other = login($console, 'ann', 'ann pw');
my $other_page = listen_as($other);
is(sql(sprintf $watches, 1), 't', 'the same for all pages');
sleep 2;
my $before = cpu();
sleep 5;
cmp_ok(cpu() - $before, '<', 0.5, 'the console sleeps while nothing happens');
ok(hears($page, qr/: still here/), 'and says now and then that it is there');

# Pages about one execution, and lists, hear of each change, long before those that hear nothing
# are told that the console is still there.
sql(q{GRANT noetl_author TO ann; SET ROLE ann; SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: waits}\nworkflow:\n- {step: act, type: wait, signal: go}')});
my ($changing, $still) = map { sql("SET ROLE ann; SELECT noetl.execute('waits')") } 1 .. 2;
sub listen_to
{
	my ($execution, $browser) = @_;
	$browser ||= $ann;
	get($browser, "/execution/$execution")->{content} =~ /data-live="([^"]+)"/;
	my $query = $1 =~ s/&amp;/&/gr;
	my $socket = raw_socket($console, "GET /live?$query HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($browser) ]}\r\n\r\n");
	while (defined(my $line = <$socket>)) { last if $line =~ /retry: / }
	return $socket;
}
my ($changing_page, $still_page) = map { listen_to($_) } $changing, $still;
foreach my $round (1 .. 6)
{
	sql("SET ROLE ann; SELECT noetl.signal($changing, 'kept')");
	ok(hears($changing_page, qr/data: changed/), "change $round is heard");
	ok(hears($other_page, qr/data: changed/), '... by a list of another session, too');
}
my $heard = '';
$still_page->blocking(0);
sysread($still_page, $heard, 65536);
cmp_ok(scalar(() = ($heard // '') =~ /still here/g), '<', 3, 'without waiting for time to pass');
unlike($heard // '', qr/changed/, 'another execution has not changed');
close $_ foreach $changing_page, $still_page;

# The page of an execution shows what it has started, and what these have
sql(q{SET ROLE ann; SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: calls}\nworkflow:\n- {step: call, type: playbook, path: waits, next: later}\n- {step: later, type: wait, signal: go}');
	SELECT noetl.register(E'apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: top}\nworkflow:\n- {step: call, type: playbook, path: calls}')});
my $top = sql("SET ROLE ann; SELECT noetl.execute('top')");
# lists are told of the start, and nothing is left to tell
sleep 3;
my $top_page = listen_to($top);
my $begun = time;
sql("SET ROLE ann; SELECT noetl.signal(execution_id, 'go') FROM noetl.execution WHERE path = 'waits' AND parent_execution_id IS NOT NULL");
ok(hears($top_page, qr/data: changed/), 'an execution hears of one that its child has started');
cmp_ok(time - $begun, '<', 15, '... at once');
close $top_page;

# Each of many sessions hears of what its page shows.
my @many = map { login($console, 'ann', 'ann pw') } 1 .. 5;
my @pages = map { listen_to($changing, $_) } @many;
sql("SET ROLE ann; SELECT noetl.signal($changing, 'kept')");
is(scalar(grep { hears($_, qr/data: changed/) } @pages), 5, 'five sessions hear of a change');

# One that waits for a page hears of it later, and the others now.
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE noetl.schedule');
my $busy = shift @many;
my $busy_page = shift @pages;
my $slow_page = raw_socket($console, "GET /schedules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: @{[ session_cookie($busy) ]}\r\n\r\n");
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'ann'"), 'a session is busy with a page');
sql("SET ROLE ann; SELECT noetl.signal($changing, 'kept')");
# the page gives up after five seconds
$before = cpu();
sleep 3;
cmp_ok(cpu() - $before, '<', 0.2, '... the console does not ask for it all the time');
is(scalar(grep { hears($_, qr/data: changed/) } @pages), 4, '... and the four others hear of a change');
$lock->query_safe('COMMIT');
$lock->quit;
like(scalar(<$slow_page>), qr/ 200 /, 'the page comes');
ok(hears($busy_page, qr/data: changed/), '... and then its session hears, too');

# While changes do not end, pages hear of them, but not all the time.
my $changes = $node->background_psql('postgres');
$changes->query_until(qr/begun/, <<"EOS");
SET ROLE ann;
\\echo begun
DO \$\$ BEGIN FOR i IN 1 .. 120 LOOP PERFORM noetl.signal($changing, 'kept'); COMMIT; PERFORM pg_sleep(0.05); END LOOP; END \$\$;
EOS
my $times = 0;
my $until = time + 5;
while (time < $until) { $times++ if hears($pages[0], qr/data: changed/); }
cmp_ok($times, '>', 1, 'changes that do not end are heard of');
cmp_ok($times, '<', 9, '... about once a second');
$changes->quit;

# Without the connection that waits, changes are looked for now and then, until a login brings another.
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'noetl-console: watch'");
ok($node->poll_query_until('postgres', sprintf($watches, 0)), 'the connection that waits is lost');
# what is told because of that is not what is waited for below
sleep 7;
$pages[0]->blocking(0);
sysread($pages[0], $heard, 65536);
$pages[0]->blocking(1);
sql("SET ROLE ann; SELECT noetl.signal($changing, 'kept')");
ok(hears($pages[0], qr/data: changed/), '... and a page hears of a change all the same');
push @many, login($console, 'ann', 'ann pw');
ok($node->poll_query_until('postgres', sprintf($watches, 1)), 'the next login brings a connection that waits');
close $_ foreach @pages, $busy_page;
post($_, '/logout', [ csrf => $_->{csrf} ]) foreach @many, $busy;

post($other, '/logout', [ csrf => $other->{csrf} ]);
ok(hears($other_page, qr/^0\r$/m), 'a logout ends what the pages listen to');
sleep 2;
is(sql(sprintf $watches, 1), 't', 'the connection stays while somebody is logged in');
post($ann, '/logout', [ csrf => $ann->{csrf} ]);
ok($node->poll_query_until('postgres', sprintf($watches, 0)), 'and is closed when nobody is');
login($console, 'ann', 'ann pw');
ok($node->poll_query_until('postgres', sprintf($watches, 1)), 'the next login brings another');

$console->{harness}->signal('TERM');
ok($console->{harness}->finish, 'SIGTERM ends the console');
done_testing();
