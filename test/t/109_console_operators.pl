# noetl-console as several people use it: a form answers the step that it shows, and answers
# it once; what statements say besides their results stays out of the log.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

my $node = start_database(q{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	CREATE ROLE bob LOGIN PASSWORD 'bob pw' IN ROLE ann, noetl_client, noetl_reader;
	CREATE FUNCTION public.says() RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		RAISE WARNING E'\x1b[2J\nnoetl-console: ann has logged in';
		RETURN 1;
	END $$;
	SET ROLE ann;
	SELECT noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: asks}
workflow:
- {step: start, next: [pay, ship]}
- {step: pay, type: wait, signal: [approved, rejected], next: again}
- {step: ship, form: {properties: {way: {enum: ["by  air", plain]}}}, type: wait, signal: approved, accept: "{{ signal.data.level >= 2 }}", next: end}
- {step: again, type: wait, signal: approved, next: end}
- {step: end}
$y$);
	SELECT noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: says}
workflow:
- {step: start, type: wait, signal: go, next: say}
- {step: say, type: sql, sql: "SELECT public.says()"}
$y$);
	SELECT noetl.register($y$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: work}
workflow:
- {step: start, tool: shell, command: "true"}
$y$);
});
my $console = start_console();
my ($ann, $bob) = (login($console, 'ann', 'ann pw'), login($console, 'bob', 'bob pw'));

# What waits, oldest first
sub waiting { return sql("SELECT string_agg(step, ' ' ORDER BY since, step) FROM noetl.waiting WHERE execution_id = $_[0]") }

# Sends the form that a page has for a step; returns what its next page says
sub answer_form
{
	my ($browser, $page, $step, @fields) = @_;
	my ($form) = $page =~ m{ · \Q$step\E</h2>.*?<form[^>]*>(.*?)</form>}s or return 'no form';
	my @hidden;
	while ($form =~ /<input type="hidden" name="([^"]*)" value="([^"]*)">/g)
	{
		push @hidden, $1 => $2 unless $1 eq 'csrf';
	}
	post($browser, '/approvals', [ csrf => $browser->{csrf}, @hidden, @fields ]);
	return get($browser, '/approvals')->{content} =~ m{<div class="alert (.*?)</div>}s ? $1 : 'nothing';
}

my $id = sql("SET ROLE ann; SELECT noetl.execute('asks')");
my $page = get($ann, '/approvals')->{content};
like($page, qr/<option value="by  air">by  air<\/option><option>plain<\/option>/, 'a choice arrives with all its blanks');
my $same_page = get($bob, '/approvals')->{content};
like(answer_form($ann, $page, 'ship', signal => 'approved', json => '{"level": 3}'),
	qr/The signal is not sent.*has not taken it/s, 'the form of one step does not answer another that waits for the same');
is(waiting($id), 'pay ship', 'both still wait');
like(answer_form($ann, $page, 'pay', signal => 'approved', json => '{"level": 3}'), qr/has ended the wait/, 'the older one is answered');
like(answer_form($bob, $same_page, 'pay', signal => 'approved', json => '{"level": 3}'),
	qr/The signal is not sent.*does not wait any more/s, 'and not once more by who has seen it wait');
like(answer_form($bob, $same_page, 'pay', signal => 'rejected', json => ''), qr/does not wait any more/, 'nor with another signal');
is(waiting($id), 'ship again', 'no other step has taken that');
is(sql("SELECT count(*) FROM noetl.signal WHERE execution_id = $id AND NOT taken"), '0', 'and nothing is kept for a later one');
$page = get($ann, '/approvals')->{content};
like(answer_form($ann, $page, 'ship', signal => 'approved', json => '{"level": 1}'), qr/has not taken it/, 'what a step does not accept goes to no other');
is(waiting($id), 'ship again', '... either');
like(answer_form($ann, $page, 'ship', signal => 'approved', json => '{"level": 2}'), qr/has ended the wait/, 'the next one is answered');
like(answer_form($ann, $page, 'again', signal => 'approved', json => ''), qr/has ended the wait/, 'and the last');
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $id"), 'COMPLETED', 'the execution is over');
is(sql("SELECT count(*) FROM noetl.verify($id)"), '0', 'and is as its log says');
is(post($ann, '/approvals', [ csrf => $ann->{csrf}, execution => $id, signal => 'approved', step => 'pay', visit => 'x' ])->{status}, 400, 'a form without a visit');

# Two answer the same wait at the same moment: the second waits for the first
$id = sql("SET ROLE ann; SELECT noetl.execute('asks')");
$page = get($bob, '/approvals')->{content};
my $first = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', qq{
	BEGIN;
	SET ROLE ann;
	SELECT noetl.signal(execution_id => execution_id, name => 'approved', id => concat_ws(' ', 'console', visit, extract(epoch FROM since), md5(step)))
	  FROM noetl.waiting WHERE execution_id = $id AND step = 'pay';
	SELECT pg_sleep(3);
	COMMIT} ], '>', \my $out, '2>&1', IPC::Run::timeout(60));
ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')}), 'one has sent an answer');
like(answer_form($bob, $page, 'pay', signal => 'approved', json => ''), qr/does not wait any more/, 'who comes second at the same moment is told');
$first->finish;
is(waiting($id), 'ship again', 'and answers nothing else');

# A label whose name has a "=" is found by its own link
$id = sql(q{SET ROLE ann; SELECT noetl.execute('work', labels => '{"a=b": "c=d", "e": "f=g"}')});
foreach my $label (get($ann, '/executions?path=work')->{content} =~ /<a class="label" href="([^"]*)"/g)
{
	like(get($ann, $label)->{content}, qr{href="/execution/$id"}, "the executions with $label");
}

# What a statement of an execution says
$id = sql("SET ROLE ann; SELECT noetl.execute('says')");
post($ann, "/execution/$id/signal", [ csrf => $ann->{csrf}, step => 'go', json => '' ]);
is(sql("SELECT status FROM noetl.execution WHERE execution_id = $id"), 'COMPLETED', 'a statement that warns is executed');
is($console->{log}->(), '', 'and its warning is not in the log');

# A task that an execution has left behind, looked at a day later
$id = sql("SET ROLE ann; SELECT noetl.execute('work')");
sql("SET ROLE ann; SELECT noetl.cancel($id)");
sql("SET session_replication_role = replica; UPDATE noetl.event SET created_at = created_at - interval '1 day' WHERE execution_id = $id;
	UPDATE noetl.execution SET (started_at, ended_at) = (SELECT min(created_at), max(created_at) FROM noetl.event WHERE execution_id = $id) WHERE execution_id = $id");
my ($timeline) = get($ann, "/execution/$id")->{content} =~ m{<h2>Timeline</h2>(.*?)</section>}s;
like($timeline, qr/<div class="row"><div>start<\/div>.* 0[.\d]* s /s, 'its time is over with the execution');
my ($report) = sql("SELECT noetl.report($id)") =~ m{<h2>Timeline</h2>(.*?)<h2>}s;
like($report, qr/> 0\.\d+ s</, 'in a report, too');
done_testing();
