# noetl-console: who may log in, what each role sees, what it can do, and what
# hostile browsers cannot.
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

my $order = <<'EOT';
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: order, description: from order to parcel}
workload: {amount: 120, customer: ACME, express: true, items: [1, 2], note: ""}
workflow:
  - step: start
    next: approve
  - step: approve
    type: wait
    signal: [approved, rejected]
    form:
      type: object
      required: [by]
      properties:
        by: {type: string, title: Your name}
        amount: {type: number}
        how: {type: string, enum: [fast, "<slow>"], default: "<slow>"}
        ok: {type: boolean}
    next: end
  - step: end
    result: "{{ approve }}"
EOT
my $work = <<'EOT';
apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: work}
workflow:
  - step: start
    next: act
  - step: act
    tool: shell
    command: "true"
    on_error: hold
    next: end
  - step: end
    result: "{{ act }}"
EOT
my $evil = q{evil/<script>alert(1)</script>"'&};
my $node = start_database(qq{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	CREATE ROLE bob LOGIN PASSWORD 'bob pw' IN ROLE noetl_client, noetl_reader;
	CREATE ROLE eve LOGIN PASSWORD 'eve pw' IN ROLE noetl_reader;
	CREATE ROLE nobody_special LOGIN PASSWORD 'nobody pw';
	CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'boss pw';
	CREATE ROLE walk_in LOGIN IN ROLE noetl_reader;
	SET ROLE ann;
	SELECT noetl.register(\$y\$$order\$y\$);
	SELECT noetl.register(\$y\$$work\$y\$);
});
sub execute { my ($path, $role) = @_; return sql("SET ROLE " . ($role || 'ann') . "; SELECT noetl.execute('$path')") }
sub status_of { my ($id) = @_; return sql("SELECT status FROM noetl.execution WHERE execution_id = $id") }
sub verified { my ($id) = @_; return sql("SELECT count(*) FROM noetl.verify($id)") eq '0' }

my $console = start_console();

# Logging in
my $stranger = { %$console, cookies => {} };
is(get($stranger, '/')->{headers}{location}, '/login', 'who has no session is sent to the login');
is(post($stranger, '/start', [ path => 'work' ])->{status}, 401, 'and cannot post');
is(get($stranger, '/live')->{status}, 401, 'nor listen');
is(login($console, 'ann', 'wrong')->{answer}{status}, 403, 'a wrong password is refused');
my $boss = login($console, 'boss', 'boss pw');
is($boss->{answer}{status}, 403, 'a superuser is refused');
like($boss->{answer}{content}, qr/Superusers/, 'with the reason');
my $walk_in = login($console, 'walk_in', 'anything');
is($walk_in->{answer}{status}, 403, 'a role that the server trusts is refused');
is(login($console, 'ann', '')->{answer}{status}, 403, 'no password is no password');
is(post($stranger, '/login', [ csrf => 'x', role => 'ann', password => 'ann pw' ])->{status}, 403,
	'a login needs the token of its form');
is(scalar(keys %{ $stranger->{cookies} }), 1, 'and gets no session without');

my $two_tabs = { %$console, cookies => {} };
my $first_tab = form_token($two_tabs, '/login');
is(get($two_tabs, '/favicon.ico')->{status}, 404, 'what is no page needs no login');
is(form_token($two_tabs, '/login'), $first_tab, 'the login can be open twice');

my $ann = login($console, 'ann', 'ann pw');
is($ann->{answer}{status}, 303, 'role and password open a session');
my ($cookie) = grep { /^noetl_session_/ } @{ $ann->{answer}{headers}{'set-cookie'} };
like($cookie, qr/^noetl_session_$console->{port}=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+$/,
	'whose cookie no script reads and no other site sends, and that no other port replaces');
my $overview = get($ann, '/');
is($overview->{status}, 200, 'the overview is there');
is($overview->{headers}{'content-security-policy'},
	"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
	'pages allow what comes from the console only');
is($overview->{headers}{'cache-control'}, 'no-store', 'and are not stored');
unlike($overview->{content}, qr/<script(?! defer src="\/assets)|\son\w+=|\sstyle=|javascript:/,
	'nothing is inline');

# Other sites, other hosts
my $id = execute('work');
is(post($ann, "/execution/$id/cancel", [])->{status}, 403, 'a form without its token is refused');
is(post($ann, "/execution/$id/cancel", [ csrf => 'f' x 64 ])->{status}, 403, 'with another token, too');
is(post($ann, "/execution/$id/cancel", [ csrf => $ann->{csrf} ], 'Sec-Fetch-Site' => 'cross-site')->{status}, 403,
	'and one that another site sends');
my $other_ann = login($console, 'ann', 'ann pw');
is(post($ann, "/execution/$id/cancel", [ csrf => $other_ann->{csrf} ])->{status}, 403,
	'the token of another session is another token');
is(status_of($id), 'RUNNING', 'nothing was done');
is(get($ann, "/execution/$id/cancel")->{status}, 404, 'a GET is no action');
is(get($ann, '/start')->{status}, 405, 'nor is it a start');
is(status_of($id), 'RUNNING', 'and changes nothing');

# The backlog: priority, ready, in flight, waiting for the next attempt, paused, blocked
sub backlog { my ($browser) = @_; my ($row) = get($browser, '/')->{content} =~ /<tr><td>shell<\/td><td>work<\/td>(.*?)<td[^>]*>(?:(?!<td).)*<\/tr>/s; return join(' ', ($row // 'none') =~ />(\w+)</g) }
is(backlog($ann), '0 1 0 0 0 0', 'the backlog has a task that is ready');
sql(q{SELECT noetl.pause_tasks(type => 'shell')});
is(backlog($ann), '0 0 0 0 1 0', 'one whose type is paused');
sql(q{SELECT noetl.resume_tasks(type => 'shell')});
sql("SELECT noetl.pause($id)");
is(backlog($ann), '0 0 0 0 1 0', 'one whose execution is paused');
sql("SELECT noetl.resume($id)");

my $rebound = raw_socket($console, "GET /login HTTP/1.1\r\nHost: evil.example:80\r\nConnection: close\r\n\r\n");
like(join('', <$rebound>), qr/^HTTP\/1.1 421/, 'a name that somebody has pointed here is refused');

# Actions of who may
my $page = get($ann, "/execution/$id")->{content};
like($page, qr/action="\/execution\/$id\/cancel"/, 'cancel is offered');
unlike($page, qr/action="\/execution\/$id\/redrive"/, 'redrive is not, while it runs');
like($page, qr/<svg [^>]*viewBox.*>act<\/text>/s, 'the graph is drawn');
my $answer = post($ann, "/execution/$id/cancel", [ csrf => $ann->{csrf}, reason => 'no <b>need</b>' ]);
is($answer->{status}, 303, 'cancel is done');
is(status_of($id), 'CANCELLED', 'the execution is cancelled');
like(get($ann, "/execution/$id")->{content}, qr/Cancel: done/, 'the page says so');
unlike(get($ann, "/execution/$id")->{content}, qr/Cancel: done/, 'once');
ok(verified($id), 'and it is as its log says');

like(get($ann, "/execution/$id")->{content}, qr/action="\/execution\/$id\/redrive"/, 'redrive is offered');
post($ann, "/execution/$id/redrive", [ csrf => $ann->{csrf}, json => '', reason => 'again' ]);
is(status_of($id), 'RUNNING', 'redrive lets it run again');
sql("SELECT noetl.fail(queue_id, 'broken', 'w') FROM noetl.lease('w', 10)");
like(get($ann, "/execution/$id")->{content}, qr/held/, 'a held step is shown');
post($ann, "/execution/$id/retry", [ csrf => $ann->{csrf}, step => '', json => '', reason => '' ]);
is(sql("SELECT count(*) FROM noetl.queue WHERE execution_id = $id"), '1', 'retry queues it');
sql("SELECT noetl.fail(queue_id, 'broken', 'w') FROM noetl.lease('w', 10)");
post($ann, "/execution/$id/skip", [ csrf => $ann->{csrf}, step => 'act', json => '{', reason => '' ]);
like(get($ann, "/execution/$id")->{content}, qr/Skip a step: refused.*invalid input syntax for type json/s,
	'what is no JSON is refused');
post($ann, "/execution/$id/skip", [ csrf => $ann->{csrf}, step => 'act', json => '"by hand"', reason => '' ]);
is(status_of($id), 'COMPLETED', 'skip completes it');
like(sql("SELECT result FROM noetl.execution WHERE execution_id = $id"), qr/by hand/, 'with the value');
my $forked = post($ann, "/execution/$id/fork", [ csrf => $ann->{csrf}, step => 'act', json => '' ]);
my ($fork) = $forked->{headers}{location} =~ m{/execution/(\d+)$};
isnt($fork, $id, 'fork starts another');
is(status_of($fork), 'RUNNING', 'that runs');
ok(verified($_), 'and is as its log says') foreach ($id, $fork);
post($ann, "/execution/$fork/cancel", [ csrf => $ann->{csrf} ]);
is(status_of($fork), 'CANCELLED', 'until it is cancelled');

my $paused = execute('work');
post($ann, "/execution/$paused/pause", [ csrf => $ann->{csrf}, reason => 'lunch' ]);
is(sql("SELECT count(*) FROM noetl.lease('w', 10)"), '0', 'what is paused is not handed out');
like(get($ann, "/execution/$paused")->{content}, qr/lunch/, 'and the page says why');
post($ann, "/execution/$paused/resume", [ csrf => $ann->{csrf} ]);
is(sql("SELECT count(*) FROM noetl.lease('w', 10)"), '1', 'resume hands it out');
ok(verified($paused), 'and it is as its log says');
post($ann, "/execution/$paused/cancel", [ csrf => $ann->{csrf} ]);

# A start by a form, whose types are those of the workload
$page = get($ann, '/playbook?path=order')->{content};
like($page, qr/name="t:amount" value="number"/, 'the form knows numbers');
like($page, qr/name="t:items" value="json"/, 'and lists');
like($page, qr/<tr id="L2"><td class="line"><a href="#L2">2<\/a><\/td><td>kind: Playbook/, 'the source has line numbers');
$answer = post($ann, '/start', [ csrf => $ann->{csrf}, path => 'order', version => 1,
	't:amount' => 'number', 'v:amount' => '7.5', 't:customer' => 'text', 'v:customer' => '42',
	't:express' => 'boolean', 'v:express' => 'false', 't:items' => 'json', 'v:items' => '[{"a": null}]',
	't:note' => 'text', 'v:note' => '', 't:lines' => 'text', 'v:lines' => "one\r\ntwo", labels => '{"team": "a&b"}', key => 'k1' ]);
my ($started) = ($answer->{headers}{location} || '') =~ m{/execution/(\d+)$};
is(sql("SELECT data FROM noetl.workload WHERE execution_id = $started"),
	'{"note": "", "items": [{"a": null}], "lines": "one\\ntwo", "amount": 7.5, "express": false, "customer": "42"}', 'values arrive with their types');
is(sql("SELECT started_by FROM noetl.execution WHERE execution_id = $started"), 'ann', 'the execution is of who has logged in');
like(get($ann, '/executions?label=team%3Da%26b')->{content}, qr/\/execution\/$started"/, 'it is found by its label');
unlike(get($ann, '/executions?label=team%3Dx')->{content}, qr/\/execution\/$started"/, 'and not by another');
is(post($ann, '/start', [ csrf => $ann->{csrf}, path => 'order', 't:amount' => 'number', 'v:amount' => '1}' ])->{headers}{location},
	'/playbook?path=order', 'what is no number is refused');
like(get($ann, '/playbook?path=order')->{content}, qr/The playbook is not started/, 'with a message');

# Approvals
$page = get($ann, '/approvals')->{content};
like($page, qr/Your name.*name="v:by" value="" required/s, 'a wait has the form of its schema');
like($page, qr/<option selected>&lt;slow&gt;<\/option>/, 'with choices');
$answer = post($ann, '/approvals', [ csrf => $ann->{csrf}, execution => $started, signal => 'approved',
	't:by' => 'text', 'v:by' => 'Ann "A"', 't:amount' => 'number', 'v:amount' => '', 't:ok' => 'boolean', 'v:ok' => 'true' ]);
like(get($ann, '/approvals')->{content}, qr/The signal has ended the wait/, 'the signal is sent');
is(status_of($started), 'COMPLETED', 'the execution goes on');
is(sql("SELECT result #>> '{data}' FROM noetl.event WHERE execution_id = $started AND node_name = 'approve' AND result IS NOT NULL LIMIT 1"),
	'{"by": "Ann \"A\"", "ok": true}', 'with the data of the form');

# Roles
my $bobs = execute('order', 'bob');
my $bob = login($console, 'bob', 'bob pw');
is(get($bob, "/execution/$started")->{status}, 404, 'what is another tenant\'s is not there');
unlike(get($bob, '/executions')->{content}, qr/$started/, 'nor in the list');
like(get($bob, '/executions')->{content}, qr/$bobs/, 'what is one\'s own is');
unlike(get($ann, '/approvals')->{content}, qr/$bobs/, 'nobody approves for another tenant');
my $anns = execute('order');
foreach my $post ([ "/execution/$anns/cancel", [] ], [ "/execution/$anns/signal", [ step => 'approved', json => '' ] ],
	[ '/bulk', [ action => 'cancel', id => $anns ] ], [ '/approvals', [ execution => $anns, signal => 'approved' ] ])
{
	post($bob, $post->[0], [ csrf => $bob->{csrf}, @{ $post->[1] } ]);
	is(status_of($anns), 'RUNNING', "$post->[0] cannot touch another tenant's execution");
}
is(get($bob, "/execution/$anns/value/0/workload")->{status}, 404, 'nor read its values');
my $eve = login($console, 'eve', 'eve pw');
$page = get($eve, '/approvals');
is($page->{status}, 200, 'a reader has the pages');
unlike(get($eve, '/playbook?path=order')->{content}, qr/action="\/start"/, 'a reader is not offered to start');
my $before = sql('SELECT count(*) FROM noetl.execution');
post($eve, '/start', [ csrf => $eve->{csrf}, path => 'order', json => '{}' ]);
is(sql('SELECT count(*) FROM noetl.execution'), $before, 'and cannot');
like(get($eve, '/playbook?path=order')->{content}, qr/permission denied for function execute/, 'the database says why');
my $nobody = login($console, 'nobody_special', 'nobody pw');
like(get($nobody, '/')->{content}, qr/Your role may not see this/, 'a role without rights sees nothing');
$page = get($nobody, '/approvals')->{content};
like($page, qr/Your role may not see this/, 'what waits neither');
unlike($page, qr/Nothing waits/, '... and is not told that nothing does');
unlike(get($nobody, '/playbooks')->{content}, qr/action="\/start"/, '... nor offered to start what it does not see');

# Hostile names and values
my $yaml = $order;
$yaml =~ s/path: order.*/path: '${\($evil =~ s{'}{''}gr)}', description: "<img src=x onerror=alert(3)>"}/;
$yaml =~ s/customer: ACME/customer: "<\/textarea><script>alert(2)<\/script>"/;
$answer = post($ann, '/editor', [ csrf => $ann->{csrf}, action => 'register', content => $yaml =~ s/\n/\r\n/gr ]);
is($answer->{headers}{location}, '/playbook?path=' . url_part($evil), 'a playbook is registered');
is(sql("SELECT content = \$y\$$yaml\$y\$ FROM noetl.catalog WHERE path LIKE 'evil/%'"), 't', 'as it was written');
my $hostile = sql("SET ROLE ann; SELECT noetl.execute(path, labels => '{\"<b>\": \"<i>\\\"\"}') FROM noetl.catalog WHERE path LIKE 'evil/%'");
foreach my $path ('/playbooks', '/playbook?path=' . url_part($evil), '/executions', "/execution/$hostile", '/approvals',
	'/editor?path=' . url_part($evil), '/', '/executions?path=' . url_part('"><script>alert(4)</script>'),
	'/bulk?action=cancel', '/nowhere/' . url_part('<script>'))
{
	unlike(get($ann, $path)->{content}, qr/<script>|<img|<b>"|<i>"|<\/textarea><script/, "$path escapes what it shows");
}
like(get($ann, "/execution/$hostile")->{content}, qr{<a href="/execution/$hostile/value/0/workload">Download</a>}, 'a value can be downloaded');
is(get($ann, "/execution/$hostile/value/0/workload")->{headers}{'content-type'}, 'application/json', 'a value is sent as JSON');
like(get($ann, "/execution/$hostile/value/0/workload")->{headers}{'content-disposition'}, qr/^attachment/, 'to be saved');

# Lint and versions
like(post($ann, '/lint', [ csrf => $ann->{csrf}, content => "workflow:\n- step: a\n  next: b\n" ])->{content},
	qr/error.*line 3/s, 'lint names the line');
is(post($ann, '/lint', [ content => 'a' ])->{status}, 403, 'and wants the token');
post($ann, '/editor', [ csrf => $ann->{csrf}, action => 'register', content => $work =~ s/"true"/"false"/r ]);
$page = get($ann, '/playbook?path=work&diff=1')->{content};
like($page, qr/<tr class="gone">.*?command: &quot;true&quot;.*<tr class="new">.*?command: &quot;false&quot;/s, 'versions are compared');
like(post($ann, '/editor', [ csrf => $ann->{csrf}, action => 'register', content => 'nothing: 1' ])->{content},
	qr/It is not registered/, 'a bad one is not registered');
is(post($bob, '/editor', [ csrf => $bob->{csrf}, action => 'register', content => $work =~ s/path: work/path: bobs/r ])->{status}, 200,
	'who may not register gets the text back');
is(sql("SELECT count(*) FROM noetl.catalog WHERE path = 'bobs'"), '0', 'and nothing is registered');

my $count = sql('SELECT count(*) FROM noetl.event');
like(post($ann, '/editor', [ csrf => $ann->{csrf}, action => 'simulate', content => $work, parameters => '{}',
			stubs => '{"act": "<by stub>"}' ])->{content}, qr/Simulation.*step_completed.*&lt;by stub&gt;/s, 'a playbook is simulated');
is(sql('SELECT count(*) FROM noetl.event'), $count, 'without an event');

post($ann, '/schedules', [ csrf => $ann->{csrf}, action => 'schedule', name => 'nightly', path => 'work', cron => '0 2 * * *',
	time_zone => '', overlap => 'skip', json => '' ]);
is(sql("SELECT cron FROM noetl.schedule WHERE name = 'nightly'"), '0 2 * * *', 'a schedule is made');
like(get($ann, '/schedules')->{content}, qr/nightly/, 'and listed');
post($ann, '/schedules', [ csrf => $ann->{csrf}, action => 'unschedule', name => 'nightly' ]);
is(sql("SELECT count(*) FROM noetl.schedule"), '0', 'and removed');

# Pages of a list, and an action on many
sql("SET ROLE ann; SELECT count(noetl.execute('work')) FROM generate_series(1, 120)");
my (%seen, $next);
$next = '/executions?path=work&status=RUNNING';
my $pages = 0;
while ($next && $pages++ < 10)
{
	$page = get($ann, $next)->{content};
	$seen{$1}++ while $page =~ /name="id" value="(\d+)"/g;
	($next) = $page =~ /rel="next" href="([^"]+)"/;
	$next =~ s/&amp;/&/g if $next;
}
is(scalar(keys %seen), 120, 'the pages of a list have all executions');
is(scalar(grep { $_ > 1 } values %seen), 0, 'each once');
is($pages, 3, 'fifty a page');
is(join(' ', get($ann, '/executions')->{content} =~ /<button name="action" value="(\w+)"/g), 'cancel redrive retry',
	'who may is offered to act on many');
is(join(' ', get($eve, '/executions')->{content} =~ /<button name="action" value="(\w+)"/g), '', 'a reader is not');
my ($one, $two) = sort keys %seen;
$page = get($ann, "/bulk?action=cancel&id=$one&id=$two&id=$started")->{content};
like($page, qr/This will touch 2 executions/, 'a preview says what will be touched');
is(status_of($one), 'RUNNING', 'and touches nothing');
post($ann, '/bulk', [ csrf => $ann->{csrf}, action => 'cancel', reason => 'r', id => $one, id => $two ]);
is(status_of($one) . status_of($two), 'CANCELLEDCANCELLED', 'the form does it');
like(get($ann, '/executions')->{content}, qr/cancel: 2 done, 0 refused/, 'and says how many');

# Pages of the approvals
sql("SET ROLE ann; SELECT count(noetl.execute('order')) FROM generate_series(1, 110)");
my $waiting = sql("SELECT count(*) FROM noetl.waiting AS w JOIN noetl.execution AS x USING (execution_id) WHERE x.started_by = 'ann'::regrole");
my %waits;
$next = '/approvals';
$pages = 0;
while ($next && $pages++ < 10)
{
	$page = get($ann, $next)->{content};
	$waits{$1}++ while $page =~ /<article class="card"><h2><a href="\/execution\/(\d+)"/g;
	($next) = $page =~ /rel="next" href="([^"]+)"/;
	$next =~ s/&amp;/&/g if $next;
}
is(scalar(keys %waits), $waiting, 'the pages of the approvals have all waits');
is(scalar(grep { $_ > 1 } values %waits), 0, 'each once');
is($pages, 3, 'fifty a page');

# Live updates
my $listener = raw_socket($console, "GET /live?execution=$anns HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($ann) ]}\r\n\r\n");
my $heard = '';
sub hear
{
	my ($pattern) = @_;
	my $until = time + 30;
	while ($heard !~ $pattern && time < $until)
	{
		my $bits = '';
		vec($bits, fileno($listener), 1) = 1;
		sysread($listener, $heard, 4096, length $heard) if select($bits, undef, undef, 1);
	}
	return $heard =~ $pattern;
}
ok(hear(qr/retry: 5000/), 'a page listens');
sleep 2.5;
unlike($heard, qr/changed/, 'nothing is said while nothing happens');
sql("SET ROLE ann; SELECT noetl.signal($anns, 'approved')");
ok(hear(qr/data: changed/), 'and hears when something has');
close($listener);

# Requests that are none
sub status_line
{
	my ($text) = @_;
	my $socket = raw_socket($console, $text);
	my $line = <$socket>;
	return defined $line && $line =~ /^HTTP\/1.1 (\d+)/ ? $1 : 'none';
}
my $head = "Host: localhost\r\nConnection: close\r\n";
is(status_line("PUT / HTTP/1.1\r\n$head\r\n"), '405', 'other methods are refused');
# libmicrohttpd refuses it by itself since 1.0
like(status_line("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), qr/^4(00|21)$/, 'a request without a host is refused');
is(status_line("POST /login HTTP/1.1\r\n${head}Content-Type: text/plain\r\nContent-Length: 1\r\n\r\na"), '415', 'as are bodies that are no forms');
is(status_line("GET /login HTTP/1.1\r\n${head}X: " . ('a' x 40000) . "\r\n\r\n"), '431', 'headers are bounded');
is(status_line("POST /login HTTP/1.1\r\n${head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 20000\r\n\r\n" . ('a' x 20000)),
	'413', 'bodies of who is not logged in are small');
is(status_line("GET /login?a=%ff HTTP/1.1\r\n$head\r\n"), '400', 'text is UTF-8');
is(get($ann, '/executions?since=yesterday%27%3B--')->{status}, 200, 'a bad date is an error of the page');
is(get($ann, '/executions?label=' . url_part("a'=b\\\"\x01"))->{status}, 200, 'a label can have any characters');

# The end of a session
my $gone = { %$other_ann, cookies => { %{ $other_ann->{cookies} } } };
post($other_ann, '/logout', [ csrf => $other_ann->{csrf} ]);
is(get($gone, '/')->{headers}{location}, '/login', 'after the logout the cookie is worth nothing');
my $first = { %$two_tabs, cookies => { %{ $two_tabs->{cookies} } } };
foreach my $browser ($first, $two_tabs)
{
	$browser->{cookies} = { %{ $first->{cookies} }, noetl_login => $first_tab };
	is(post($browser, '/login', [ csrf => $first_tab, role => 'ann', password => 'ann pw' ])->{status}, 303,
		'one logs in, and in again');
}
is(get($first, '/')->{headers}{location}, '/login', 'which ends the session before');
is(get($two_tabs, '/')->{status}, 200, 'and begins another');
my $short = start_console('--idle-timeout', 12, '--max-sessions', 2);
my $idle = login($short, 'ann', 'ann pw');
is(get($idle, '/')->{status}, 200, 'a session begins');
my $second = login($short, 'ann', 'ann pw');
is(login($short, 'ann', 'ann pw')->{answer}{status}, 503, 'sessions are bounded');
foreach (1 .. 14)
{
	sleep 1;
	close(raw_socket($short, "GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($idle) ]}\r\n\r\n"));
}
is(get($idle, '/')->{headers}{location}, '/login', 'and end when nobody does anything, though a page listens');
is(login($short, 'ann', 'ann pw')->{answer}{status}, 303, 'then there is room again');

# --readonly, --trust-role
my $shown = start_console('--readonly', '--trust-role', 'walk_in');
my $reader = login($shown, 'ann', 'ann pw');
unlike(get($reader, '/execution/' . (sort keys %seen)[5])->{content}, qr/\/cancel"/, 'a console that only shows offers nothing');
$id = (sort keys %seen)[5];
is(post($reader, "/execution/$id/cancel", [ csrf => $reader->{csrf} ])->{status}, 403, 'and refuses what it is told');
is(post($reader, '/editor', [ csrf => $reader->{csrf}, action => 'register', content => $work ])->{status}, 403, 'also to register');
is(status_of($id), 'RUNNING', 'nothing was done');
is(login($shown, 'walk_in', '')->{answer}{status}, 303, 'a role that was named logs in without a password');
my ($stdout, $stderr);
ok(!IPC::Run::run([ 'noetl-console', '--listen', '0.0.0.0:0', '--trust-role', 'ann' ], '>', \$stdout, '2>', \$stderr),
	'but not where others can connect');

# Many idle connections, and slow ones
my $crowd = start_console('--max-connections', 1200);
my $visitor = login($crowd, 'ann', 'ann pw');
my ($report, $children);
pipe($report, $children);
# two processes, because each may have a thousand files only
my @crowds = map {
	my $pid = fork;
	if ($pid == 0)
	{
		my @sockets = grep { defined } map { raw_socket($crowd, $_ % 2 ? undef : "GET / HTTP/1.1\r\nHost: local") } 1 .. 500;
		syswrite($children, sprintf("%4d\n", scalar @sockets));
		sleep 60;
		POSIX::_exit(0);
	}
	$pid
} 1 .. 2;
is(<$report> + <$report>, 1000, 'a thousand connect and say nothing, or half a request');
is(get($visitor, '/')->{status}, 200, 'pages come all the same');
kill('KILL', @crowds);
waitpid($_, 0) foreach @crowds;

# Slow browsers: the one where more than half of the connections are in use, the other where there is room
my $tight = start_console('--max-connections', 10);
my $listens = login($tight, 'ann', 'ann pw');
my @listening = map { raw_socket($tight, "GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($listens) ]}\r\n\r\n") } 1 .. 6;
like(scalar(<$_>), qr/ 200 /, 'a page listens') foreach @listening;
my $slow = raw_socket($tight, 'GET / HTTP/1.1');
my $alone = raw_socket($console, 'GET / HTTP/1.1');
my $until = time + 60;
my $closed = 0;
while (!$closed && time < $until)
{
	my $bits = '';
	vec($bits, fileno($slow), 1) = 1;
	local $SIG{PIPE} = 'IGNORE';
	syswrite($slow, "\r\nX: y");
	$closed = select($bits, undef, undef, 1) && !sysread($slow, my $nothing, 1);
}
ok($closed, 'who sends a byte now and then is cut off');
my $ended = '';
vec($ended, fileno($alone), 1) = 1;
ok(!select($ended, undef, undef, 0), 'sooner than where there is room');
close($_) foreach @listening;

# Two sessions whose database does not answer, with all the requests that may wait for it
my $newest = "SELECT pid FROM pg_stat_activity WHERE application_name = 'noetl-console' ORDER BY backend_start DESC LIMIT 1";
my (@stopped, @waiting_pages);
foreach (1 .. 2)
{
	my $stuck = login($console, 'ann', 'ann pw');
	push @stopped, sql($newest);
	kill('STOP', $stopped[-1]);
	push @waiting_pages, map { raw_socket($console, "GET /schedules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: @{[ session_cookie($stuck) ]}\r\n\r\n") } 1 .. 6;
}
sleep 1;
is(get($ann, '/schedules')->{status}, 200, 'who waits for the database holds up no other session');
kill('CONT', @stopped);
is(scalar(grep { scalar(<$_>) =~ / 200 / } @waiting_pages), 12, 'and has the pages when it answers');

# A session of the database that does not answer
my $hung = start_console('--max-connections', 10);
my $watcher = login($hung, 'ann', 'ann pw');
my $hung_pid = sql($newest);
my $watched = raw_socket($hung, "GET /live HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($watcher) ]}\r\n\r\n");
like(scalar(<$watched>), qr/ 200 /, 'a page listens while its session is about to hang');
kill('STOP', $hung_pid);
my @half = map { raw_socket($hung, 'GET / HTTP/1.1') } 1 .. 7;
$until = time + 60;
$closed = 0;
while (!$closed && time < $until)
{
	my $bits = '';
	vec($bits, fileno($half[0]), 1) = 1;
	$closed = select($bits, undef, undef, 1) && !sysread($half[0], my $nothing, 1);
}
ok($closed, 'slow browsers are cut off all the same');
kill('CONT', $hung_pid);
close($_) foreach ($watched, @half);

# The database goes away
$node->restart;
my $after = get($ann, '/');
# whether this page is the first to notice, or the look for changes was
ok($after->{content} =~ /connection to the database is lost/ || ($after->{headers}{location} || '') eq '/login',
	'a restart of the server ends sessions');
is(get($ann, '/')->{headers}{location}, '/login', 'and one logs in again');

$console->{harness}->signal('TERM');
ok($console->{harness}->finish, 'SIGTERM ends the console');
done_testing();
