# What noetl-console takes and what it refuses: options, hosts, cookies, addresses, forms;
# and what lists show.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use ConsoleTest;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'noetl-console is not built (no libmicrohttpd)'
  unless system('command -v noetl-console >/dev/null') == 0;

my $steps = join '', map { "  - {step: s$_, next: s" . ($_ + 1) . "}\n" } 1 .. 150;
my $node = start_database(qq{
	CREATE ROLE ann LOGIN PASSWORD 'ann pw' IN ROLE noetl_client, noetl_reader, noetl_author;
	CREATE ROLE bob LOGIN PASSWORD 'bob pw' IN ROLE noetl_client, noetl_reader;
	CREATE DATABASE bare;
	CREATE DATABASE fresh;
	SET ROLE ann;
	SELECT noetl.register(E'apiVersion: noetl.io/v1\\nkind: Playbook\\nmetadata: {path: work}\\nworkload: {n: 1}\\nworkflow:\\n- {step: start, tool: shell, command: "true", next: end}\\n- {step: end}');
	SELECT noetl.register(E'apiVersion: noetl.io/v1\\nkind: Playbook\\nmetadata: {path: quick}\\nworkflow:\\n- {step: end, result: 1}');
	SELECT noetl.register(E'apiVersion: noetl.io/v1\\nkind: Playbook\\nmetadata: {path: parent}\\nworkflow:\\n- {step: start, type: iterator, mode: async, collection: [1, 2], element: n, task: {type: playbook, path: work}, next: end}\\n- {step: end}');
	SELECT noetl.register(\$y\$apiVersion: noetl.io/v1
kind: Playbook
metadata: {path: long}
workflow:
  - {step: start, next: s1}
$steps  - {step: s151}
\$y\$);
});
sub execute { my ($path, $more) = @_; return sql("SET ROLE ann; SELECT noetl.execute('$path'" . ($more || '') . ")") }
sub status_of { my ($id) = @_; return sql("SELECT status FROM noetl.execution WHERE execution_id = $id") }

#
# Options
#
sub refused { my ($pattern, @options) = @_; command_fails_like([ 'noetl-console', @options ], $pattern, "@options[0 .. ($#options < 3 ? $#options : 3)]") }
refused(qr/--listen must be ADDRESS:PORT/, '--listen', '8080');
refused(qr/"localhost" is no numeric address/, '--listen', 'localhost:8080');
refused(qr/"\[::1" is no numeric address/, '--listen', '[::1:8080');
refused(qr/--listen must be a number from 0 to 65535/, '--listen', "127.0.0.1:$_") foreach '', '80x', '-1', '65536', '9' x 30;
refused(qr/--idle-timeout must be a number from 1 to 604800/, '--idle-timeout', $_) foreach '', 'x', '1x', '0', '604801', '9' x 30;
refused(qr/what is "start"\?/, 'start');
refused(qr/--host can be given 16 times at most/, map { ('--host', "h$_") } 1 .. 17);
refused(qr/--trust-role needs an address of this machine only/, '--listen', "$_:0", '--trust-role', 'ann') foreach '0.0.0.0', '[::]';
# an address of documentation, which no machine has
IPC::Run::run([ 'noetl-console', '--listen', '192.0.2.1:0' ], '>', \my $said, '2>', \my $complaint, IPC::Run::timeout(60));
is("$? $said", (1 << 8) . ' ', 'an address that is not of this machine');
like($complaint, qr/cannot listen at 192\.0\.2\.1, port 0/, 'with the reason');

# without options, at a port that another program may have
my ($served, $why) = ('', '');
my $plain = IPC::Run::start(['noetl-console'], '>', \$served, '2>', \$why, IPC::Run::timeout(60));
$plain->pump while $plain->pumpable && $served !~ /\n/;
$plain->signal('TERM') if $plain->pumpable;
$plain->finish;
like("$served$why", qr{^http://127\.0\.0\.1:8080/\n|cannot listen at 127\.0\.0\.1, port 8080}, 'it needs no option');

#
# Names by which browsers reach it
#
sub answers
{
	my ($console, $host, $at) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => $at || '127.0.0.1', PeerPort => $console->{port}, Timeout => 30) or return "none: $@";
	print $socket "GET / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n";
	return (scalar(<$socket>) || '') =~ m{^HTTP/1.1 (\d+)} ? $1 : 'nothing';
}
my $page;
my $console = start_console();
my $named = start_console('--host', 'console.example', '--host', 'other.example');
is(answers($named, $_), 303, "a name it has: $_") foreach 'console.example', 'CONSOLE.example:8080', 'other.example', 'localhost:1', '127.0.0.1', '[::1]:8080';
is(answers($named, $_), 421, "a name that is none: $_") foreach 'console.exampl', 'console.examplf', 'console.example.evil', 'evil.example', 'x', '127.0.0', '[::2]';
my $address = start_console('--listen', '127.0.0.5:0');
is(answers($address, '127.0.0.5', '127.0.0.5'), 303, 'the address it listens to is a name');
is(answers($address, $_, '127.0.0.5'), 421, "but $_ is not") foreach '127.0.0.6', '127.0.0';
my $open = start_console('--listen', '0.0.0.0:0');
is(answers($open, 'whatever.example'), 303, 'where others can connect, any name is one');
my $proxied = start_console('--listen', '0.0.0.0:0', '--host', 'console.example');
is(answers($proxied, 'whatever.example'), 421, 'unless it is told which');

#
# Without a login
#
foreach ([ 'console.css', 'text/css', qr/\{/ ], [ 'console.js', 'text/javascript', qr/function/ ], [ 'icon.svg', 'image/svg\+xml', qr/^<svg/ ])
{
	my $asset = get($console, "/assets/$_->[0]");
	like("$asset->{status} $asset->{headers}{'content-type'} $asset->{headers}{'cache-control'}", qr/^200 $_->[1].* private, max-age=86400$/, "$_->[0] is there, and kept");
	like($asset->{content}, $_->[2], 'with its content');
}
is(get($console, '/healthz')->{content}, "ok\n", 'health');
is(request({ %$console, cookies => {} }, 'GET', '/executions', headers => { 'X-Noetl-Refresh' => 1 })->{status}, 401, 'a page that asks for itself hears that it has no session');
my $bare = start_console('--connect', $node->connstr('bare'));
like(login($bare, 'ann', 'ann pw')->{answer}{content}, qr/does not have the extension noetl/, 'a database without the extension');
like(login($console, '', 'ann pw')->{answer}{content}, qr/Give a role and its password/, 'a login without a role');
my $foreign = { %$console, cookies => {} };
my $token = form_token($foreign, '/login');
is(post($foreign, '/login', [ csrf => $token, role => 'ann', password => 'ann pw' ], 'Sec-Fetch-Site' => 'cross-site')->{status}, 403, 'a login that another site sends');
is(post($foreign, '/login', [ csrf => 'a' x 64, role => 'ann', password => 'ann pw' ])->{status}, 403, 'or with the token of another form');
my $guessing = start_console();
login($guessing, 'ann', 'wrong') foreach 1 .. 30;
is(login($guessing, 'ann', 'ann pw')->{answer}{status}, 303, 'thirty guesses are not too many');
login($guessing, 'ann', 'wrong');
is(login($guessing, 'ann', 'ann pw')->{answer}{status}, 429, 'but one more is');


# A database in which nothing has happened
$node->safe_psql('fresh', 'CREATE EXTENSION noetl; SELECT noetl.create_roles()');
my $fresh = start_console('--connect', $node->connstr('fresh'));
my $first = login($fresh, 'ann', 'ann pw');
like(get($first, "/$_->[0]")->{content}, $_->[1], "nothing in $_->[0]") foreach [ 'playbooks', qr/There is no playbook/ ], [ 'executions', qr/No execution is to be seen/ ], [ 'schedules', qr/Nothing is scheduled/ ],
  [ 'approvals', qr/Nothing waits for a signal/ ];
$node->safe_psql('fresh', "SET ROLE ann; SELECT noetl.register(E'apiVersion: noetl.io/v1\\nkind: Playbook\\nmetadata: {path: p' || i || E'}\\nworkflow:\\n- {step: end}') FROM generate_series(1, 100) AS i");
$page = get($first, '/playbooks')->{content};
is(scalar(() = $page =~ /data-row>p\d+</g), 100, 'a hundred playbooks are on one page');
unlike($page, qr/There is no playbook|rel="next"/, 'which is all');
$node->safe_psql('fresh', "SET ROLE ann; SELECT noetl.register(E'apiVersion: noetl.io/v1\\nkind: Playbook\\nmetadata: {path: z}\\nworkflow:\\n- {step: end}')");
my ($more) = get($first, '/playbooks')->{content} =~ /rel="next" href="([^"]+)"/;
is(join(' ', get($first, $more)->{content} =~ /data-row>(\w+)</g), 'z', 'one more is on the next');

#
# Cookies
#
my $ann = login($console, 'ann', 'ann pw');
my $bob = login($console, 'bob', 'bob pw');
sub with_cookie { my ($cookie, $path) = @_; return request({ %$console, cookies => {} }, 'GET', $path || '/', headers => { Cookie => $cookie })->{status} }
my $session = $ann->{cookies}{noetl_session};
my $name = "noetl_session_$console->{port}";
is(with_cookie("$name=$session"), 200, 'the cookie of a session');
is(with_cookie("a=b;  $name=$session; c=d"), 200, 'among others');
is(with_cookie(('o' x length $name) . '=' . 'a' x 64 . "; $name=$session"), 200, 'after one whose name is as long');
is(with_cookie('noetl_session_' . ($console->{port} ^ 1) . '=' . 'a' x 64 . "; $name=$session"), 200, 'beside that of a console at another port');
is(with_cookie($_), 303, 'what is none: ' . substr($_, 0, 24)) foreach "$name$session", "${name}x$session", "x$name=$session", "$name=${session}0",
  "$name=" . 'f' x 3000, "$name=" . substr($session, 1), "$name=", $name, "noetl_session=$session", "${name}0=$session";
like(request({ %$console, cookies => {} }, 'GET', '/login', headers => { Cookie => "noetl_login_$console->{port}=" . 'Z' x 64 })->{content}, qr/name="csrf" value="[0-9a-f]{64}"/, 'a login takes no token that is none');

#
# Addresses
#
my $id = execute('work', q{, labels => '{"team": "red", "lead": "x"}', key => 'k1'});
is(get($ann, "/executions$_")->{status}, 200, "text: $_") foreach '?key=%C3%A9', '?key=%E2%82%AC', '?key=%F0%9F%98%80', '?key=%EF%BF%BD', '?key=%ED%9F%BF', '?key=%F4%8F%BF%BF', '?key=%E0%A0%80', '?key=%F0%90%80%80';
is(get($ann, $_)->{status}, 400, "no text: $_") foreach '/executions?key=%C3', '/executions?key=%C3%28', '/executions?key=%80', '/executions?key=%C0%80', '/executions?key=%E0%80%80', '/executions?key=%ED%A0%80',
  '/executions?key=%F0%80%80%80', '/executions?key=%F4%90%80%80', '/executions?key=%F5%80%80%80', '/executions?%FF=a', '/execution/%FF';
is(get($ann, $_)->{status}, 404, "nothing: $_") foreach '/execution/', '/execution/x', '/execution/0', "/execution/${id}x", '/execution/9223372036854775808', '/execution/' . '9' x 25, "/execution/$id/value/x/workload",
  "/execution/$id/value/0", "/execution/$id/other/0/workload", "/execution/$id/", "/execution/$id/value/0/context", "/execution/$id/value/1/result", "/execution/$id/value/0/nothing", '/playbook?path=none', '/playbook?path=work&version=99', '/playbook?path=work&version=x',
  '/bulk?action=none', '/bulk', '/nowhere';
foreach (map { [ $_, 404 ] } "/execution/$id/nothing", "/execution/$id", '/execution/x/cancel', '/execution/x/migrate', '/execution/', "/execution/${id}x/cancel")
{
	is(post($ann, $_->[0], [ csrf => $ann->{csrf} ])->{status}, $_->[1], "no action: $_->[0]");
}
is(post($ann, '/approvals', [ csrf => $ann->{csrf}, @$_ ])->{status}, 400, 'a signal to nobody, or without a name') foreach [ signal => 'x' ], [ execution => $id ], [ execution => 'x', signal => 'x' ], [ execution => $id, signal => '' ];
is(status_of($id), 'RUNNING', 'nothing has happened');

#
# Forms
#
sub echoed
{
	my ($encoded) = @_;
	my $page = request($ann, 'POST', '/editor', content => "csrf=$ann->{csrf}&nothing&action=check&content=$encoded",
		headers => { 'Content-Type' => 'application/x-www-form-urlencoded' })->{content};
	return $page =~ m{<textarea[^>]*name="content"[^>]*>\n?(.*?)</textarea>}s ? $1 : $page;
}
is(echoed('a+b%2Bc%20d'), 'a b+c d', 'blanks of a form');
is(echoed('100%+%zz+%4g+%g4+%4'), '100% %zz %4g %g4 %4', 'percents that stand for nothing');
is(echoed('a%00b%41%7e'), 'a bA~', 'a NUL is a blank');
is(echoed('a%0D%0Ab%0Dc%0Ad'), "a\nb\rc\nd", 'ends of lines are those of files');
is(echoed('%01%1F%7F%3C%26%22%27'), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&lt;&amp;&quot;&#39;", 'what has no place in a page');
sub last_of { my ($count) = @_; return request($ann, 'POST', '/lint', content => "csrf=$ann->{csrf}" . '&a=' x ($count - 2) . '&content=nothing:+1', headers => { 'Content-Type' => 'application/x-www-form-urlencoded' })->{content} }
like(last_of(2000), qr/nothing/, 'two thousand fields of a form are read');
unlike(last_of(2001), qr/nothing/, 'and no more');
is(request($ann, 'POST', '/editor', content => "csrf=$ann->{csrf}&action=check&content=%FF", headers => { 'Content-Type' => 'application/x-www-form-urlencoded' })->{status}, 400, 'a form that is no text');
is(request($ann, 'POST', '/editor', content => 'x' x 8193, headers => { 'Content-Type' => 'application/x-www-form-urlencoded', Cookie => session_cookie($ann, 'f' x 64) })->{status}, 413, 'a large body of who has no session');

#
# Lists
#
execute('work', ", labels => '{\"team\": \"blue\"}'");
execute('quick') foreach 1 .. 2;
sql("SELECT noetl.cancel(" . execute('work') . ')');
sub listed
{
	my ($filter) = @_;
	return scalar(() = get($ann, "/executions?$filter")->{content} =~ /name="id" value="\d+"/g);
}
is(listed(''), 5, 'all executions');
is(listed("path=$_->[0]"), $_->[1], "of the playbook $_->[0]") foreach [ 'work', 3 ], [ 'quick', 2 ], [ 'w*', 3 ], [ 'qu*', 2 ], [ 'none', 0 ];
is(listed("status=$_->[0]"), $_->[1], "with the status $_->[0]") foreach [ 'RUNNING', 2 ], [ 'COMPLETED', 2 ], [ 'CANCELLED', 1 ], [ 'FAILED', 0 ];
is(listed("since=$_->[0]T00:00"), $_->[1], "since $_->[0]") foreach [ '2020-01-01', 5 ], [ '2080-01-01', 0 ], [ '2100-01-01', 0 ];
is(listed("until=$_->[0]T00:00"), $_->[1], "until $_->[0]") foreach [ '2020-01-01', 0 ], [ '2080-01-01', 5 ], [ '2100-01-01', 5 ];
is(listed("key=$_->[0]"), $_->[1], "with the key $_->[0]") foreach [ 'k1', 1 ], [ 'k2', 0 ];
is(listed('label=' . url_part($_->[0])), $_->[1], "with the label $_->[0]") foreach [ 'team', 2 ], [ 'lead', 1 ], [ 'team=red', 1 ], [ 'team=green', 0 ], [ 'none', 0 ];
is(listed(join('', map { "a$_=1&" } 1 .. 99) . 'path=none'), 0, 'a hundred fields of an address are read');
is(listed(join('', map { "a$_=1&" } 1 .. 100) . 'path=none'), 5, 'and no more');
like(get($ann, '/executions?path=none')->{content}, qr/No execution is to be seen/, 'an empty list says so');
unlike(get($ann, '/executions')->{content}, qr/rel="next"/, 'a short list has no other page');
execute('quick') foreach 1 .. 46;
like(get($ann, '/executions')->{content}, qr/rel="next"/, 'a list of more than fifty has');
is(listed(''), 50, 'and shows fifty');
like(get($bob, '/executions')->{content}, qr/No execution is to be seen/, 'another role sees others');
like(get($ann, "/bulk?action=cancel&id=x&id=$id")->{content}, qr/This will touch 1 executions/, 'a preview passes over what is no id');
like(get($ann, '/bulk?action=redrive&path=quick')->{content}, qr/There is nothing to do this to/, 'or says that there is none');
post($ann, '/bulk', [ csrf => $ann->{csrf}, action => 'cancel', id => 'x', ids => $id ]);
like(get($ann, '/executions')->{content}, qr/cancel: 0 done, 0 refused/, 'no ids, no executions');
is(status_of($id), 'RUNNING', 'nothing was cancelled');
post($bob, '/bulk', [ csrf => $bob->{csrf}, action => 'cancel', id => $id, id => execute('work') ]);
$page = get($bob, '/executions')->{content};
like($page, qr/cancel: 0 done, 2 refused/, 'those of others are refused');
is(scalar(() = $page =~ /ERROR|does not exist|not allowed|permission/g) > 0, 1, 'with the reason of the first');

# A message is for the page that one looks at, not for one that asks for itself.
post($ann, "/execution/$id/pause", [ csrf => $ann->{csrf} ]);
unlike(request($ann, 'GET', "/execution/$id", headers => { 'X-Noetl-Refresh' => 1 })->{content}, qr/Pause: done/, 'a refresh has no message');
like(get($ann, "/execution/$id")->{content}, qr/Pause: done/, 'the page has it');

# The events of a long execution, and children
my $long = execute('long');
is(sql("SELECT count(*) BETWEEN 101 AND 200 FROM noetl.event WHERE execution_id = $long"), 't', 'a long execution');
$page = get($ann, "/execution/$long")->{content};
my ($later) = $page =~ m{<a rel="next" href="([^"#]+)#events">Later</a>};
ok($later, 'more than a hundred events have a second page');
unlike($page, qr/>First</, 'the first one is the first');
$page = get($ann, $later)->{content};
like($page, qr{<a href="/execution/$long#events">First</a>}, 'from which one comes back');
unlike($page, qr/rel="next"/, 'and there is no third');
my $parent = execute('parent');
$page = get($ann, "/execution/$parent")->{content};
my ($tree) = $page =~ m{<h2>Children</h2>(.*?)</section>}s;
is(join(' ', ($tree // '') =~ m{(\[\d\]|</?(?:ul|li)\b)}g), '<ul <li [0] </li <li [1] </li </ul', 'the tree of two children');
unlike(get($ann, "/execution/$id")->{content}, qr/<h2>Children/, 'who has none shows none');

# What the database refuses is said where it would be shown.
my $seen = '/execution/' . execute('work');
foreach my $function ('why', 'timeline')
{
	sql("ALTER FUNCTION noetl.$function(bigint) RENAME TO away");
	like(get($ann, $seen)->{content}, qr/noetl\.$function\(bigint\) does not exist/, "a page without noetl.$function");
	sql("ALTER FUNCTION noetl.away(bigint) RENAME TO $function");
}
unlike(get($ann, $seen)->{content}, qr/does not exist/, 'and with all of them');
my $validate = sql("SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.proname = 'validate' AND p.pronamespace = 'noetl'::regnamespace");
sql("ALTER FUNCTION $validate RENAME TO away; CREATE FUNCTION noetl.validate() RETURNS int LANGUAGE sql AS 'SELECT 1'");
like(get($ann, '/playbook?path=work')->{content}, qr/noetl\.validate\(.*\) does not exist/, 'a page without noetl.validate');
sql("CREATE FUNCTION noetl.validate(text) RETURNS TABLE (severity text, line int, col int, path text, message text, hint text) LANGUAGE sql"
	  . " AS 'SELECT NULL::text, 1, 1, NULL::text, NULL::text, NULL::text FROM pg_sleep(60)'");
my $hasty = start_console('--statement-timeout', 1, '--secure-cookie');
my $hurried = login($hasty, 'ann', 'ann pw');
is(scalar(grep { /; Secure$/ } @{ $hurried->{answer}{headers}{'set-cookie'} }), 2, 'cookies for https only');
like(post($hurried, '/lint', [ csrf => $hurried->{csrf}, content => 'x' ])->{content}, qr/canceling statement due to statement timeout/, 'a statement takes as long as it may');
sql('DROP FUNCTION noetl.validate(text)');
sql('DROP FUNCTION noetl.validate(); ALTER FUNCTION ' . $validate =~ s/validate/away/r . ' RENAME TO validate');

# What is refused when it is to be committed has not been done.
my $doubtful = execute('parent');
my $other = execute('work');
sql("SET ROLE ann; SELECT noetl.schedule('kept', 'work', '\@yearly')");
sql(q{CREATE FUNCTION not_now() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$not in the end$$; END'});
sql("CREATE CONSTRAINT TRIGGER not_now AFTER INSERT OR UPDATE OR DELETE ON noetl.$_ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION not_now()") foreach qw(execution catalog event);
# a schedule is changed in an operation at whose end all triggers fire: another function stands for it
sql('CREATE TABLE doubt (); GRANT INSERT ON doubt TO ann; CREATE CONSTRAINT TRIGGER not_now AFTER INSERT ON doubt DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION not_now()');
my $unschedule = sql("SELECT oid::regprocedure FROM pg_proc WHERE proname = 'unschedule' AND pronamespace = 'noetl'::regnamespace");
sql("ALTER FUNCTION $unschedule RENAME TO away; CREATE FUNCTION noetl.unschedule(text) RETURNS int LANGUAGE sql AS 'INSERT INTO public.doubt DEFAULT VALUES; SELECT 1'");
sub state_of_all { return sql("SELECT (SELECT count(*) FROM noetl.event), (SELECT count(*) FROM noetl.catalog), (SELECT string_agg(name || cron, ' ') FROM noetl.schedule), (SELECT count(*) FROM noetl.execution WHERE status = 'RUNNING')") }
my $before = state_of_all();
my $quick = "apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: late}\nworkflow:\n- {step: end}\n";
foreach ([ '/start', [ path => 'work' ], qr/The playbook is not started/ ], [ "/execution/$doubtful/cancel", [ reason => 'x' ], qr/Cancel: refused/ ], [ "/execution/$doubtful/fork", [ step => 'start' ], qr/Fork: refused/ ],
	[ "/execution/$other/skip", [ step => 'start', json => '1' ], qr/Skip a step: refused/ ], [ '/approvals', [ execution => $other, signal => 'x' ], qr/The signal is not sent/ ], [ '/schedules', [ action => 'unschedule', name => 'kept' ], qr/The schedule is not changed/ ], [ '/bulk', [ action => 'cancel', id => $other, id => $doubtful ], qr/cancel: 0 done, 2 refused/ ])
{
	my ($path, $fields, $message) = @$_;
	is(post($ann, $path, [ csrf => $ann->{csrf}, @$fields ])->{status}, 303, "@$fields[0, 1] of $path is answered");
	like(get($ann, '/schedules')->{content}, qr/$message.*not in the end/s, '... and refused, with the reason');
}
like(post($ann, '/editor', [ csrf => $ann->{csrf}, action => 'register', content => $quick ])->{content}, qr/It is not registered.*not in the end/s, 'a playbook is not registered');
is(state_of_all(), $before, 'nothing has happened');
sql("DROP TRIGGER not_now ON noetl.$_") foreach qw(execution catalog event);
sql('DROP FUNCTION noetl.unschedule(text); ALTER FUNCTION ' . $unschedule =~ s/unschedule/away/r . ' RENAME TO unschedule');
sql("SET ROLE ann; SELECT noetl.unschedule('kept')");

# Versions of a playbook
sub register { my ($text) = @_; return sql("SET ROLE ann; SELECT noetl.register(\$y\$apiVersion: noetl.io/v1\nkind: Playbook\nmetadata: {path: versions}\nworkload:\n$text\nworkflow:\n- {step: start, next: first_step}\n- {step: first_step}\n\$y\$)") }
register("  a: 1\n  same: 0\n  b: 1\n  old: 0");
register("  a: 2\n  same: 0\n  b: 2\n  new: 0\n  more: 0");
$page = get($ann, '/playbook?path=versions&version=1')->{content};
like($page, qr/<svg [^>]*viewBox.*first_step<\/text>/s, 'an old version has its graph');
like($page, qr/Lint/, 'and its lint');
$page = get($ann, '/playbook?path=versions&diff=1')->{content};
is(scalar(() = $page =~ /<tr class="gone">/g) . scalar(() = $page =~ /<tr class="new">/g), '34', 'lines between those that have changed are the same');
like(get($ann, '/playbook?path=versions&diff=7')->{content}, qr/There is no version 7/, 'a version that is not there');

# The requests of one session that wait for the database
my $pid = sql("SELECT pid FROM pg_stat_activity WHERE usename = 'bob' AND application_name = 'noetl-console'");
kill('STOP', $pid);
# What a proxy and the console could take for the end of a request, or of an answer
sub answers_to
{
	my ($text) = @_;
	my $socket = raw_socket($console, "$text\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	local $/;
	return <$socket> // '';
}
my $form = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n";
foreach ([ 'of two kinds', "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" ], [ 'of two values', "Content-Length: 0\r\nContent-Length: 2\r\n" ])
{
	my ($what, $more) = @$_;
	my $answer = answers_to($form . $more);
	like($answer, qr{^HTTP/1\.1 400 }, "lengths $what are refused");
	unlike($answer, qr/^ok$/m, '... and what follows is not answered');
}
like(answers_to("HEAD /live HTTP/1.1\r\nHost: localhost\r\nCookie: @{[ session_cookie($ann) ]}\r\n"),
	qr{^HTTP/1\.1 200 (?:[^\r\n]+\r\n)+\r\nHTTP/1\.1 200 (?:[^\r\n]+\r\n)+\r\nok\n$}, 'HEAD of a stream has no body');

my @waiting = map { raw_socket($console, "GET /schedules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: @{[ session_cookie($bob) ]}\r\n\r\n") } 1 .. 8;
my ($busy, $until) = (0, time + 60);
while ($busy < 2 && time < $until)
{
	my $bits = '';
	vec($bits, fileno($_), 1) = 1 foreach @waiting;
	$busy = select($bits, undef, undef, 1);
	sleep 0.2;
}
is($busy, 2, 'six may wait for the database; two hear at once that they may not');
kill('CONT', $pid);
my %statuses;
$statuses{ (<$_> // '') =~ m{^HTTP/1.1 (\d+)} ? $1 : 'none' }++ foreach @waiting;
is(join(' ', map { "$_: $statuses{$_}" } sort keys %statuses), "200: 6 503: 2", 'the others have their pages in the end');

$console->{harness}->signal('INT');
ok($console->{harness}->finish, 'SIGINT ends the console');
done_testing();
