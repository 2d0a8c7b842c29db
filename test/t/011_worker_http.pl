# Tasks of type http, against a small server of our own.
use strict;
use warnings;

use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

# A proxy is for the world outside.
delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

#
# The server: one process for each connection, which serves one request
#
my $listener = IO::Socket::INET->new(
	Listen => 20,
	LocalAddr => '127.0.0.1',
	Proto => 'tcp') or die "could not listen: $!";
my $base = 'http://127.0.0.1:' . $listener->sockport;
my $seen = PostgreSQL::Test::Utils::tempdir() . '/seen';

# Reads a request: method, target, the lines of its header, body.
sub read_request
{
	my ($client) = @_;
	my ($text, $body) = ('', '');
	while ($text !~ /\r\n\r\n/)
	{
		sysread($client, $text, 65536, length $text) or exit;
	}
	($text, $body) = $text =~ /^(.*?\r\n)\r\n(.*)/s;
	my ($length) = $text =~ /^content-length: *(\d+)/mi;
	while (length $body < ($length || 0))
	{
		sysread($client, $body, 65536, length $body) or exit;
	}
	my ($method, $target) = $text =~ /^(\S+) (\S+)/;
	return ($method, $target, $text, $body);
}

# Makes a JSON string of printable ASCII.
sub quoted
{
	my ($text) = @_;
	$text =~ s/(["\\])/\\$1/g;
	return "\"$text\"";
}

# What the server says: status, further header lines, body.
sub answer
{
	my ($method, $target, $header, $body) = @_;
	my $json = "Content-Type: application/json\r\n";
	my ($path) = $target =~ m{^([^?]*)};

	if ($path eq '/echo')
	{
		my @wanted = qw(content-type authorization x-one x-api-key user-agent);
		my %seen = map {
			my $name = $_;
			$header =~ /^\Q$name\E: *(.*?)\r$/mi ? ($name => $1) : ()
		} @wanted;
		return ('200 OK', $json,
			"{\"method\": \"$method\", \"target\": " . quoted($target)
			  . ', "body": ' . quoted($body) . ', "headers": {'
			  . join(', ', map { "\"$_\": " . quoted($seen{$_}) } sort keys %seen) . '}}');
	}
	if ($path eq '/flaky')
	{
		# every other request
		my $bad = !-e $seen;
		if ($bad) { open my $fh, '>', $seen; }
		else { unlink $seen; }
		return $bad ? ('500 Internal Server Error', $json, '{"reason": "tired"}') : ('200 OK', $json, '[1]');
	}
	return ('200 OK', "Content-Type: text/plain\r\nX-Two: a\r\nx-two: b\r\n", "{\"no\": \"j\xc3\xb6son\"}") if $path eq '/text';
	return ('200 OK', $json, '{"cut": "a\u0000b"}') if $path eq '/nul';
	return ('200 OK', $json, '{"broken": ') if $path eq '/broken';
	return ('200 OK', $json, '1}, "status_code": 999, "more": {"a": 1') if $path eq '/forged';
	return ('200 OK', "Content-Type: application/problem+json; charset=utf-8\r\n", "\xEF\xBB\xBFnull") if $path eq '/null';
	return ('200 OK', "Content-Type: image/x\r\n", "\x00\xFF\xFEab") if $path eq '/binary';
	return ('204 No Content', '', '') if $path eq '/empty';
	return ('404 Not Found', $json, '{"detail": "no such thing"}') if $path eq '/missing';
	return ('303 See Other', "Location: /echo?after=redirect\r\n", '') if $path eq '/redirect';
	return ('308 Permanent Redirect', "Location: /echo\r\n", '') if $path eq '/moved';
	return ('302 Found', "Location: /loop\r\n", '') if $path eq '/loop';
	return ('302 Found', "Location: file:///etc/passwd\r\n", '') if $path eq '/file';
	return ('200 OK', $json, '"' . 'x' x 20_000_000 . '"') if $path eq '/big';
	return ('200 OK', "Content-Type: text/plain\r\n", 'x' x (64 * 1024 * 1024 + 1)) if $path eq '/huge';
	return ('200 OK', join('', map { "X-Much-$_: " . 'x' x 90_000 . "\r\n" } 1 .. 12), '{}') if $path eq '/heads';
	if ($path eq '/slow')
	{
		sleep 60;
		return ('200 OK', '', 'late');
	}
	return ('400 Bad Request', '', '');
}

my $server = fork();
die "could not fork: $!" unless defined $server;
if ($server == 0)
{
	$SIG{CHLD} = 'IGNORE';
	$SIG{TERM} = sub { POSIX::_exit(0) };
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $listener->accept)
	{
		next if fork();
		my ($status, $header, $body) = answer(read_request($client));
		my $out = "HTTP/1.1 $status\r\n${header}Connection: close\r\nContent-Length: "
		  . length($body) . "\r\n\r\n$body";
		while (length $out)
		{
			my $n = syswrite($client, $out, 1 << 20);
			last unless $n;
			substr($out, 0, $n) = '';
		}
		POSIX::_exit(0);
	}
	POSIX::_exit(0);
}
END { kill 'TERM', $server if $server; }

#
# The broker
#
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION noetl');
my $connection = $node->connstr('postgres');

# Starts an execution of one http step called act; returns its id.
my $playbooks = 0;

sub request
{
	my ($keys) = @_;
	my $path = 'http/' . ++$playbooks;
	$keys =~ s/^(?=.)/    /mg;
	$node->safe_psql('postgres', <<"SQL");
SELECT noetl.register(\$playbook\$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: test, path: $path}
workflow:
  - step: act
    tool: http
$keys
\$playbook\$)
SQL
	return $node->safe_psql('postgres', "SELECT noetl.execute('$path')");
}

# Starts a worker; its log is collected in $$log.
sub start_worker
{
	my ($log, @options) = @_;
	my $nothing = '';
	$$log = '';
	return IPC::Run::start(
		[ 'noetl-worker', '--connect', $connection, @options ],
		\$nothing, '>', $log, '2>', $log, IPC::Run::timeout(180));
}

# One expression over the event that ended the step act.
sub outcome
{
	my ($execution, $expression) = @_;
	return $node->safe_psql('postgres', <<"SQL");
SELECT $expression
  FROM noetl.event, jsonb_path_query_first(result, '\$.data') AS data,
	   jsonb_path_query_first(result, '\$.data.data') AS body
 WHERE execution_id = $execution AND node_name = 'act'
   AND event_type IN ('action_completed', 'action_error')
 ORDER BY event_id DESC LIMIT 1
SQL
}

# A port where nobody listens.
my $closed = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
my $refused_port = $closed->sockport;
close $closed;

my %job = (
	get => request(<<"YAML"),
url: $base/echo
headers: {X-One: one, X-Null: null}
params: {q: "a b&c", tag: [x, 2], flag: true, none: null}
YAML
	url => request(<<"YAML"),
endpoint: " $base/echo?a=1#top"
params: {b: 2}
data: {query: {b: 3, c: 4}, headers: {X-One: from data}}
headers: {X-One: from step}
YAML
	spaces => request("url: \"$base/echo/../echo?q=two words\\u00e4\"\n"),
	data_get => request(<<"YAML"),
url: $base/echo
data: {lat: 51.5, names: [a, b]}
args: {hourly: t, lat: 0}
YAML
	data_post => request(<<"YAML"),
url: $base/echo
method: post
data: {deep: {er: [1, {x: null}]}}
YAML
	payload => request(<<"YAML"),
url: $base/echo
method: POST
params: {p: 1}
payload: {query: {match_all: {}}, n: [1, 2]}
data: {unused: true}
YAML
	list => request("url: $base/echo\nmethod: PUT\nbody: [1, two]\n"),
	text => request("url: $base/echo\nmethod: POST\nheaders: {Content-Type: text/csv}\nbody: 'a,b'\n"),
	json => request("url: $base/echo\nmethod: PATCH\njson: just text\n"),
	form => request(<<"YAML"),
url: $base/echo
method: POST
headers: {content-type: application/x-www-form-urlencoded}
payload: {grant_type: client credentials, scope: [a, b]}
YAML
	form_key => request("url: $base/echo\nmethod: POST\nform: {a: 1&2}\n"),
	(map { ("with_$_" => request("url: $base/echo\nmethod: $_\npayload: {a: 1}\n"), "without_$_" => request("url: $base/echo\nmethod: $_\n")) } qw(GET delete PUT patch OPTIONS)),
	head_body => request("url: $base/echo\nmethod: HEAD\npayload: {a: 1}\n"),
	kept => request("url: $base/moved\nmethod: PUT\npayload: {a: 1}\n"),
	delete => request("url: $base/echo\nmethod: DELETE\ndata: {id: 7}\n"),
	bearer => request("url: $base/echo\nauth: {type: bearer, token: t0ken}\n"),
	basic => request("url: $base/echo\nauth: {type: basic, username: me, password: secret}\n"),
	aliases => request(<<"YAML"),
url: $base/echo
auth:
  first: {type: bearer, key: my-token}
  second: {type: api_key, value: k}
  third: {type: header, inline: {X-One: "1"}}
YAML
	named => request("url: $base/echo\nauth: my-basic\n"),
	from_env => request("url: $base/echo\nauth: {type: bearer, env: NOETL_AUTH_SOME_TOKEN}\n"),
	unknown => request("url: $base/echo\nauth: nobody\n"),
	plain => request("url: $base/text\n"),
	broken => request("url: $base/broken\n"),
	nul => request("url: $base/nul\n"),
	forged => request("url: $base/forged\n"),
	null => request("url: $base/null\n"),
	binary => request("url: $base/binary\n"),
	empty => request("url: $base/empty\n"),
	head => request("url: $base/text\nmethod: HEAD\n"),
	missing => request("url: $base/missing\n"),
	retried => request("url: $base/flaky\nretry: {max_attempts: 3, initial_delay: 0.1, retry_when: '{{ status_code >= 500 }}'}\n"),
	not_retried => request("url: $base/missing\nretry: {max_attempts: 3, initial_delay: 0.1, retry_when: '{{ status_code >= 500 }}'}\n"),
	redirect => request("url: $base/redirect\nmethod: POST\npayload: {a: 1}\n"),
	not_followed => request("url: $base/redirect\nfollow_redirects: false\n"),
	loop => request("url: $base/loop\n"),
	redirect_file => request("url: $base/file\n"),
	file => request("url: file:///etc/passwd\n"),
	timeout => request("url: $base/slow\ntimeout: 1\n"),
	refused => request("url: http://127.0.0.1:$refused_port/\n"),
	big => request("url: $base/big\n"),
	huge => request("url: $base/huge\n"),
	heads => request("url: $base/heads\n"),
	bare_post => request("url: $base/echo\nmethod: POST\n"),
	injected => request("url: $base/echo\nheaders: {X-One: \"a\\r\\nX-Api-Key: b\"}\n"),
	no_url => request("method: GET\n"));

$ENV{NOETL_AUTH_MY_TOKEN} = '{"token": "\u0061b\"c", "hosts": "127.0.0.1"}';
$ENV{NOETL_AUTH_MY_BASIC} = '{"type": "basic", "username": "you", "password": "pw", "hosts": "example.org, 127.0.0.1"}';
$ENV{NOETL_AUTH_SOME_TOKEN} = 'xyz';
$ENV{NOETL_AUTH_SOME_TOKEN_HOSTS} = 'http://127.0.0.1';
my $log;
my $worker = start_worker(\$log, '--once', '--types', 'http');
$worker->finish;
is($worker->full_result(0), 0, 'the worker drains the queue and exits');

#
# Requests
#
is( outcome($job{get}, "concat_ws(' ', result ->> 'status', data ->> 'status_code', body ->> 'method', body ->> 'target', body #>> '{headers,x-one}')"),
	'success 200 GET /echo?q=a%20b%26c&tag=x&tag=2&flag=true one', 'headers and params');
like(outcome($job{get}, "body #>> '{headers,user-agent}'"), qr/^noetl-worker\/\d/, 'user agent');
is( outcome($job{get}, "concat_ws(' ', data ->> 'url' LIKE 'http://%tag=2%', (data ->> 'elapsed')::numeric BETWEEN 0 AND 60, data #>> '{headers,content-type}')"),
	't t application/json', 'url, elapsed and headers of the result');
is( outcome($job{url}, "concat_ws(' ', body ->> 'target', body #>> '{headers,x-one}')"),
	'/echo?a=1&b=3&c=4 from data', 'the input goes over params and headers');
is(outcome($job{spaces}, "body ->> 'target'"), '/echo?q=two%20words%C3%A4', 'what a url must not contain is encoded');
like(outcome($job{data_get}, "body ->> 'target'"),
	qr/^\/echo\?(?=.*lat=51\.5)(?=.*names=a&names=b)(?=.*hourly=t)/, 'input as query');
is( outcome($job{data_post}, "concat_ws(' ', body ->> 'method', body ->> 'body', body #>> '{headers,content-type}')"),
	'POST {"deep": {"er": [1, {"x": null}]}} application/json', 'input as body');
is( outcome($job{payload}, "concat_ws(' ', body ->> 'target', body ->> 'body')"),
	'/echo?p=1 {"n": [1, 2], "query": {"match_all": {}}}', 'the payload is the body, whatever it contains');
is(outcome($job{list}, "concat_ws(' ', body ->> 'method', body ->> 'body')"), 'PUT [1, "two"]', 'a list as body');
is(outcome($job{text}, "concat_ws(' ', body ->> 'body', body #>> '{headers,content-type}')"), 'a,b text/csv', 'a text as body');
is(outcome($job{json}, "concat_ws(' ', body ->> 'method', body ->> 'body')"), 'PATCH "just text"', 'a text as JSON');
is(outcome($job{form}, "body ->> 'body'"), 'scope=a&scope=b&grant_type=client%20credentials', 'a payload that the Content-Type makes a form');
is( outcome($job{form_key}, "concat_ws(' ', body ->> 'body', body #>> '{headers,content-type}')"),
	'a=1%262 application/x-www-form-urlencoded', 'a form');
is(outcome($job{delete}, "concat_ws(' ', body ->> 'method', body ->> 'target')"), 'DELETE /echo?id=7', 'DELETE');
foreach my $method (qw(GET delete PUT patch OPTIONS))
{
	is(outcome($job{"with_$method"}, "concat_ws(' ', body ->> 'method', body ->> 'body')"), "\U$method\E {\"a\": 1}", "$method with a body");
	is(outcome($job{"without_$method"}, "concat_ws(' ', body ->> 'method', body ->> 'body')"), "\U$method\E ", "$method without one");
}
is(outcome($job{head_body}, 'error'), 'a HEAD request has no body, and the task has payload', 'HEAD with a body');
is(outcome($job{kept}, "concat_ws(' ', body ->> 'method', body ->> 'body', data ->> 'url')"), "PUT {\"a\": 1} $base/echo", 'a redirect that keeps method and body');

#
# Authentication
#
is(outcome($job{bearer}, "body #>> '{headers,authorization}'"), 'Bearer t0ken', 'bearer');
is(outcome($job{basic}, "body #>> '{headers,authorization}'"), 'Basic bWU6c2VjcmV0', 'basic');
is( outcome($job{aliases}, "concat_ws(' ', body #>> '{headers,authorization}', body #>> '{headers,x-api-key}', body #>> '{headers,x-one}')"),
	'Bearer ab"c k 1', 'several, with a credential');
is(outcome($job{named}, "body #>> '{headers,authorization}'"), 'Basic [redacted]', 'a named credential');
is(outcome($job{from_env}, "body #>> '{headers,authorization}'"), 'Bearer xyz', 'a variable');
like(outcome($job{unknown}, 'error'), qr/credential "nobody" is not known here: .* NOETL_AUTH_NOBODY/, 'an unknown credential');

#
# Responses
#
is(outcome($job{plain}, "concat_ws(' ', jsonb_typeof(body), body #>> '{}', data #>> '{headers,x-two}')"),
	"string {\"no\": \"j\xc3\xb6son\"} a, b", 'a text, repeated headers');
is(outcome($job{broken}, "concat_ws(' ', result ->> 'status', body #>> '{}')"), 'success {"broken": ', 'broken JSON stays text');
like(outcome($job{nul}, 'error'), qr/^the result contains the character NUL/, 'JSON with a NUL is no text');
is(outcome($job{forged}, "concat_ws(' ', data ->> 'status_code', jsonb_typeof(body), data -> 'more' IS NULL)"), '200 string t', 'a body cannot break out');
is(outcome($job{null}, "jsonb_typeof(body)"), 'null', 'null, behind a byte order mark');
is(outcome($job{binary}, "concat_ws(' ', jsonb_typeof(body), data ->> 'data_base64')"), 'null AP/+YWI=', 'bytes');
is(outcome($job{empty}, "concat_ws(' ', data ->> 'status_code', body)"), '204 ""', 'no body');
is(outcome($job{head}, "concat_ws(' ', result ->> 'status', body)"), 'success ""', 'HEAD');
is(outcome($job{big}, "length(body #>> '{}')"), '20000000', 'a big body');
is(outcome($job{bare_post}, "body ->> 'method'"), 'POST', 'a POST without a body');
like(outcome($job{heads}, 'error'), qr{^(?:the response has more than 1 MB of headers|Too large response headers: .*): GET \Q$base\E/heads$}, 'too many headers');
is(outcome($job{huge}, 'error'), "the response is larger than 64 MB: GET $base/huge", 'one that is too big');

#
# Failures
#
is( outcome($job{missing}, "concat_ws(' ', event_type, error, result ->> 'status', data ->> 'status_code', body ->> 'detail')"),
	qq(action_error HTTP 404 Not Found: GET $base/missing: {"detail": "no such thing"} error 404 no such thing), 'a status of 404');
is( $node->safe_psql('postgres', "SELECT string_agg(event_type, ' ' ORDER BY event_id) FROM noetl.event WHERE execution_id = $job{retried} AND event_type LIKE 'action%'"),
	'action_started action_error action_retry action_started action_completed', '500, then 200');
is( $node->safe_psql('postgres', "SELECT count(*) FROM noetl.event WHERE execution_id = $job{not_retried} AND event_type = 'action_started'"),
	'1', 'a policy that looks at status_code');
is( outcome($job{redirect}, "concat_ws(' ', body ->> 'method', body ->> 'target', data ->> 'url')"),
	"GET /echo?after=redirect $base/echo?after=redirect", 'a redirect');
is(outcome($job{not_followed}, "concat_ws(' ', data ->> 'status_code', data #>> '{headers,location}')"),
	'303 /echo?after=redirect', 'a redirect that is not followed');
like(outcome($job{loop}, 'error'), qr/redirects/, 'too many redirects');
like(outcome($job{redirect_file}, 'error'), qr/file/, 'no redirect to a file');
like(outcome($job{file}, 'error'), qr/file/, 'no file');
is(outcome($job{timeout}, 'error'), 'timed out after 1 seconds', 'a timeout');
like(outcome($job{refused}, "concat_ws(' ', error, result)"),
	qr/^Failed to connect to 127\.0\.0\.1\b.*"status": "error"/, 'nobody listens');
is(outcome($job{injected}, 'error'), 'the value of the header "X-One" contains a line end', 'a line end in a header');
is(outcome($job{no_url}, 'error'), 'the http task has no url', 'no url');

#
# While a request takes long, the worker keeps its lease, and can be stopped
#
my $slow = request("url: $base/slow\ntimeout: 100\n");
$worker = start_worker(\$log, '--lease', '1', '--types', 'http');
$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM noetl.event WHERE execution_id = $slow AND event_type = 'action_started')");
sleep 2;
is($node->safe_psql('postgres', "SELECT status, attempts FROM noetl.queue WHERE execution_id = $slow"),
	'leased|1', 'heartbeats keep the lease');
$node->safe_psql('postgres', "SELECT noetl.cancel($slow)");
my $until = time + 60;
while ($log !~ /http stopped/ && time < $until)
{
	$worker->pump_nb;
	sleep 0.05;
}
like($log, qr/http stopped: the lease was lost or the execution cancelled/, 'a cancelled request is given up');
$worker->signal('TERM');
$worker->finish;
is($worker->full_result(0), 0, 'the worker ends');

$node->stop;
done_testing();
