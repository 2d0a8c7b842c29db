# noetl-console as an attacker sees it: requests that must change nothing, bodies that are too
# large, sessions that do not end, two tenants of whom one looks for the other, and what gets
# into the log.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

my $work = <<'EOT';
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: work}
workload: {note: ""}
workflow:
  - step: start
    next: [{step: act}, {step: ask}]
  - step: act
    tool: shell
    command: "true"
    on_error: hold
    next: end
  - step: ask
    type: wait
    signal: approved
    key: "{{ workload.note }}"
    next: end
  - step: end
    result: "{{ act }}"
EOT
my $parent = <<'EOT';
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: parent}
workload: {note: ""}
workflow:
  - step: start
    next: call
  - step: call
    type: playbook
    path: middle
    args: {note: "{{ workload.note }}"}
    next: end
  - step: end
EOT
my $middle = $parent =~ s/path: middle/path: work/r =~ s/path: parent\}/path: middle}/r;
my $node = start_database(qq{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	CREATE ROLE bob LOGIN PASSWORD 'bob pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	SET ROLE ann;
	SELECT noetl.register(\$y\$$work\$y\$);
	SELECT noetl.register(\$y\$$middle\$y\$);
	SELECT noetl.register(\$y\$$parent\$y\$);
});

# What the tables of the extension have.
my $tables = sql(q{SELECT string_agg(format($f$(SELECT %L || md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM noetl.%I AS t)$f$,
	relname, relname), ' || ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'noetl'::regnamespace AND relkind IN ('r', 'p')});
sub state_of_all { return sql("SELECT $tables") }

my $secret = 'annssecret';
sub execute
{
	my ($path) = @_;
	return sql(qq{SET ROLE ann; SELECT noetl.execute('$path', parameters => '{"note": "$secret"}', labels => '{"$secret": "$secret"}',
		key => '$secret ' || clock_timestamp())});
}
my $held = execute('work');
sql("SELECT noetl.announce('$secret worker', '{shell}', '{\"host\": \"$secret\"}');
	SELECT noetl.fail(queue_id, '$secret is broken', '$secret worker') FROM noetl.lease('$secret worker', 10)");
my $tree = execute('parent');
my $failed = execute('work');
sql("SET ROLE ann; SELECT noetl.cancel($failed, '$secret')");
my $child = sql("SELECT execution_id FROM noetl.execution WHERE path = 'work' AND parent_execution_id IS NOT NULL");
sql("SET ROLE ann; SELECT noetl.schedule('$secret', 'work', '\@daily', '{\"note\": \"$secret\"}')");
my $event = sql("SELECT max(event_id) FROM noetl.event WHERE execution_id = $held");

my $console = start_console();
my $ann = login($console, 'ann', 'ann pw');
my $bob = login($console, 'bob', 'bob pw');

# The tree of executions
my $page = get($ann, "/execution/$tree")->{content};
like($page, qr{<ul class="tree">.*middle.*<ul class="tree">.*/execution/$child">.*</ul>.*</ul>}s, 'children are shown as a tree');

# Every page and every action, by each method
my @pages = ('/', '/executions', "/executions?label=$secret%3D$secret", "/executions?key=$secret", '/executions?status=CANCELLED', '/approvals',
	"/approvals?execution=$held", '/playbooks', '/playbook?path=work', '/editor?path=work', '/schedules', '/bulk?action=cancel', '/bulk?action=redrive',
	(map { ("/execution/$_", "/execution/$_/value/0/workload", "/execution/$_/value/0/result", "/bulk?action=cancel&id=$_",
			"/bulk?action=retry&id=$_", "/bulk?action=redrive&id=$_") } $held, $tree, $child, $failed),
	(map { "/execution/$held/value/$event/$_" } qw(context result meta)));
my @posts = (
	(map { my $id = $_; map { [ "/execution/$id/$_", [ step => 'act', json => '{}', reason => 'r', action => 'migrate' ] ] }
		qw(cancel pause resume retry skip signal redrive fork migrate) } $held, $failed, $tree),
	[ '/bulk', [ action => 'cancel', id => $held ] ],
	[ '/approvals', [ execution => $held, signal => 'approved', json => '{}' ] ],
	[ '/start', [ path => 'work', json => '{}' ] ],
	[ '/editor', [ action => 'register', content => $work =~ s/"true"/"false"/r ] ],
	[ '/schedules', [ action => 'schedule', name => $secret, path => 'work', cron => '@hourly' ] ],
	[ '/schedules', [ action => 'unschedule', name => $secret ] ]);

# The fields of a form as a query.
sub query
{
	my ($post) = @_;
	my @fields = @{ $post->[1] };
	my @pairs;
	while (my ($name, $value) = splice(@fields, 0, 2))
	{
		push @pairs, "$name=" . url_part($value);
	}
	return join('&', @pairs);
}

my $before = state_of_all();
cmp_ok(length $before, '>', 500, 'all tables are looked at');
foreach my $method (qw(GET HEAD))
{
	request($ann, $method, $_) foreach @pages;
	request($ann, $method, "$_->[0]?csrf=$ann->{csrf}&" . query($_)) foreach @posts;
}
is(state_of_all(), $before, 'GET and HEAD change nothing, whatever they ask for');
my %refused;
foreach my $post (@posts)
{
	$refused{ post($ann, $post->[0], $post->[1])->{status} }++;
	$refused{ post($ann, "$post->[0]?csrf=$ann->{csrf}", $post->[1])->{status} }++;
	$refused{ post($ann, $post->[0], [ csrf => $bob->{csrf}, @{ $post->[1] } ])->{status} }++;
	$refused{ post($ann, $post->[0], [ csrf => $ann->{csrf}, @{ $post->[1] } ], 'Sec-Fetch-Site' => $_)->{status} }++ foreach qw(cross-site same-site);
}
# the page of the editor comes back with the text
is_deeply(\%refused, { 403 => 5 * @posts }, 'a POST needs the token of its own session, in its body, from its own site');
is(state_of_all(), $before, 'and changes nothing without');
my $stranger = { %$console, cookies => { noetl_session => 'f' x 64 } };
is_deeply([ grep { $_->{status} != 401 } map { post($stranger, $_->[0], [ csrf => 'f' x 64, @{ $_->[1] } ]) } @posts ], [],
	'who has made up a session is nobody');

my $shown = start_console('--readonly');
my $reader = login($shown, 'ann', 'ann pw');
is_deeply([ grep { $_->{status} != 403 } map { post($reader, $_->[0], [ csrf => $reader->{csrf}, @{ $_->[1] } ]) } @posts ], [],
	'a console that only shows refuses every action');
unlike(get($reader, $_)->{content}, qr/<form[^>]* method="post" action="(?!\/logout|\/editor)/, "and offers none in $_") foreach @pages[0 .. 13];
is(post($reader, '/lint', [ csrf => $reader->{csrf}, content => 'nothing: 1' ])->{status}, 200, 'but one that changes nothing');
is(post($reader, '/editor', [ csrf => $reader->{csrf}, action => $_, content => $work ])->{status}, 200, "one can $_ a playbook in it") foreach qw(check simulate);
is(state_of_all(), $before, 'nothing has changed');

# Two tenants
my @told;
foreach my $path (@pages, map { "/executions?before=$_" } $held, $tree)
{
	my $content = get($bob, $path)->{content};
	# what one asks for is repeated in the field that asked
	$content =~ s/(?:value="|(?:label|key)=)$secret[^"&]*//g;
	push @told, $path if $content =~ /$secret/ || ($path !~ /\d{10}/ && $content =~ /$held|$tree|$child|$failed/);
}
is_deeply(\@told, [], 'a tenant sees nothing of another in any page');
@told = ();
foreach my $post (@posts)
{
	next if $post->[0] =~ /^\/(?:start|editor)$/;
	my $answer = post($bob, $post->[0], [ csrf => $bob->{csrf}, @{ $post->[1] } ]);
	my $content = $answer->{content} . get($bob, $answer->{headers}{location} || '/')->{content};
	$content =~ s/&quot;$secret&quot;//g if $post->[0] eq '/schedules';
	push @told, "$post->[0]: $content" if $content =~ /$secret/;
}
is_deeply(\@told, [], 'nor in what an action answers');
is(state_of_all(), $before, 'and changes nothing of what the other has');

# Sizes
my $large = 'a' x 5_000_000;
is(post($ann, '/lint', [ csrf => $ann->{csrf}, content => $large ])->{status}, 413, 'a form has four megabytes at most');
is(post($ann, '/lint', [ csrf => $ann->{csrf}, content => substr($large, 0, 100_000) ])->{status}, 200, 'a hundred kilobytes are not too many');
is(post($stranger, '/login', [ csrf => 'f' x 64, role => substr($large, 0, 20_000) ])->{status}, 413, 'a session that is made up allows no large forms');

# Sessions
my $chosen = { %$console, cookies => { noetl_session => 'a' x 64 } };
my $token = form_token($chosen, '/login');
is(post($chosen, '/login', [ csrf => $token, role => 'ann', password => 'ann pw' ])->{status}, 303, 'who brings a session logs in');
isnt($chosen->{cookies}{noetl_session}, 'a' x 64, 'and gets another one');
my $bounded = start_console('--session-timeout', 8);
my $busy = login($bounded, 'ann', 'ann pw');
is($busy->{answer}{status}, 303, 'a session begins');
my ($used, $until) = (0, time + 120);
while (time < $until)
{
	last if get($busy, '/schedules')->{status} == 303;
	$used++;
	sleep 0.5;
}
cmp_ok($used, '>', 0, 'it is used');
is(get($busy, '/')->{headers}{location}, '/login', 'and ends at its time, however much it is used');

# The log
login($console, "nobody\nnoetl-console: all is well\e[2J", 'x');
$until = time + 60;
$console->{harness}->pump_nb while $console->{log}->() !~ /all is well.*\n/ && time < $until;
my $log = $console->{log}->();
like($log, qr/^noetl-console: .*nobody \| noetl-console: all is well \| \[2J/m, 'a failed login is in the log, on one line');
unlike($log, qr/^noetl-console: all is well|\e/m, 'of which who tries makes no other');

# What is no number of an execution, and what is no page
is(get($ann, $_)->{status}, 404, "$_ is no page")
  foreach ('/execution/', '/execution/-1', '/execution/1e3', '/execution/9223372036854775808', '/execution/%30x', "/execution/$held/value/0/password",
	"/execution/$held/value/0/workload/..", '/assets/../login', '/assets/console.css/', '/Executions', '//executions');

$console->{harness}->signal('TERM');
ok($console->{harness}->finish, 'the console ends when told to');
done_testing();
