# What tasks save: into tables of the broker's database and of others, over
# http, into the event log; and that a save that fails fails its task.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use WorkerTest;

delete @ENV{qw(http_proxy HTTP_PROXY https_proxy all_proxy ALL_PROXY)};

my $node = start_broker();
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
my $elsewhere = $node->connstr('elsewhere');
my $own = $node->connstr('postgres');
my ($host) = $elsewhere =~ /host=(\S+)/;
$host =~ s/'//g;
$ENV{NOETL_AUTH_PG_STRING} = $elsewhere;
$ENV{NOETL_AUTH_PG_PARTS} = '{"db_host": "' . $host . '", "db_port": ' . $node->port . ', "db_name": "elsewhere"}';
$ENV{NOETL_AUTH_PG_OWN} = $own;

# The rows of a table as text.
sub rows
{
	my ($table, $database) = @_;
	return $node->safe_psql($database || 'postgres',
		"SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text COLLATE \"C\"), '') FROM $table t");
}

#
# Modes and values; "auth" names the broker's own database, so that a worker does it
#
sql('CREATE TABLE things (id text PRIMARY KEY, n integer, tags text[], extra jsonb, at timestamptz DEFAULT \'epoch\')');
my $execution = execute(<<'EOT');
- step: append
  tool: python
  code: "result = {'id': 'a', 'n': 1, 'tags': ['x', 'y z'], 'extra': {'deep': [1, None]}}"
  save:
    storage: postgres
    auth: pg_own
    table: things
    data: {id: "{{ result.id }}", n: "{{ result.n }}", tags: "{{ result.tags }}", extra: "{{ result.extra }}"}
  next: several
- step: several
  tool: python
  code: "result = [{'id': 'b', 'n': 2}, {'id': \"c's\", 'n': None, 'extra': 'null'}]"
  sink: {tool: {kind: postgres, auth: pg_own}, table: public.things, mode: insert, args: "{{ result }}"}
  next: upsert
- step: upsert
  tool: python
  code: "result = [{'id': 'b', 'n': 20}, {'id': 'd', 'n': 4}]"
  save: {storage: {type: postgres, auth: pg_own, table: things, mode: upsert, key: id, data: "{{ result }}"}}
  next: update
- step: update
  tool: python
  code: "result = 10"
  save: {storage: postgres, auth: pg_own, table: things, mode: update, keys: [id], data: {id: a, n: "{{ result * 10 }}"}}
  next: statement
- step: statement
  tool: python
  code: "result = {'who': \"o'brien\"}"
  save:
    storage: postgres
    auth: pg_own
    statement: "INSERT INTO things (id, n) VALUES (:who, {{ n }} + 1)"
    params: {who: "{{ result.who }}", n: 41}
  next: end
- step: end
EOT
drain();
is(ended($execution), 'execution_complete', 'saves of all modes');
is(sql("SELECT string_agg(concat_ws('|', id, n, tags, extra), ' ' ORDER BY id) FROM things"),
	q(a|100|{x,"y z"}|{"deep": [1, null]} b|20 c's|"null" d|4 o'brien|42), 'what they leave behind');
is(sql("SELECT count(*) FROM things WHERE at = 'epoch'"), 5, 'columns that are not saved have their defaults');
is(events_of($execution, 'context', 'append'), 'save_started {"rows": 1, "table": "things", "storage": "postgres"}, '
	. 'save_completed {"rows": 1, "table": "things", "storage": "postgres"}, action_completed', 'events of a save');
is(result_of($execution, 'result', 'action_completed', 'append'), '{"n": 1, "id": "a", "tags": ["x", "y z"], "extra": {"deep": [1, null]}}', 'the result is that of the action');

$execution = execute_step(<<'EOT');
tool: python
code: "result = [{'id': 'new'}]"
save: {storage: postgres, auth: pg_own, table: things, mode: overwrite, data: "{{ result }}"}
EOT
drain();
is(sql('SELECT string_agg(id, \',\') FROM things'), 'new', 'overwrite');

#
# Where to
#
$node->safe_psql('elsewhere', 'CREATE TABLE "Far" (id integer, via text)');
$execution = execute(<<'EOT', '{name: pg_string}');
- step: a
  tool: python
  code: "result = 1"
  save: {storage: postgres, auth: "{{ workload.name }}", table: '"Far"', data: {id: "{{ result }}", via: name}}
  next: b
- step: b
  tool: python
  code: "result = 2"
  save: {storage: postgres, auth: {far: {type: postgres, key: pg_parts}, gcs: {type: hmac, key: nothing}}, table: '"Far"', data: {ID: "{{ result }}", via: alias}}
  next: c
- step: c
  tool: python
  code: "result = 3"
  save: {storage: postgres, auth: {type: postgres, credential: PG_PARTS}, table: public."Far", data: {id: "{{ result }}", via: credential}}
EOT
drain();
is(rows('"Far"', 'elsewhere'), '(1,name) (2,alias) (3,credential)', 'credentials');

#
# A save that fails
#
sql('CREATE TABLE strict (id integer PRIMARY KEY)');
my $directory = PostgreSQL::Test::Utils::tempdir();
$execution = execute_step(<<'EOT');
tool: python
code: "result = 5"
save:
  - {storage: postgres, auth: pg_own, table: strict, data: {id: 1}}
  - {storage: postgres, auth: pg_own, table: strict, data: [{id: 2}, {id: 1}]}
  - {storage: postgres, auth: pg_own, table: strict, data: {id: 3}}
EOT
my $template = execute_step(<<'EOT');
tool: python
code: "result = 5"
save: {storage: postgres, auth: pg_own, table: strict, data: {id: "{{ result.no.such }}"}}
EOT
my $nonsense = execute_step(<<'EOT');
tool: python
code: "result = 5"
save: {storage: paper, data: 1}
EOT
my $failed = execute_step(<<'EOT');
tool: python
code: "1 / 0"
save: {storage: postgres, auth: pg_own, table: strict, data: {id: 9}}
EOT
my $retried = execute_step(<<"EOT");
tool: shell
command: 'echo x >> $directory/tries'
retry: {max_attempts: 2, initial_delay: 0.01}
save: {storage: postgres, auth: pg_own, table: strict, data: {id: 1}}
EOT
drain();
is(rows('strict'), '(1)', 'each save is all or nothing, and the first that fails is the last');
is(events_of($execution, 'error'), join(', ', 'save_started', 'save_completed', 'save_started',
	'save_failed duplicate key value violates unique constraint "strict_pkey" (SQLSTATE 23505, command_0); detail: Key (id)=(1) already exists.',
	'action_error save (postgres): duplicate key value violates unique constraint "strict_pkey" (SQLSTATE 23505, command_0); detail: Key (id)=(1) already exists.'),
	'a save that fails fails the action');
is(ended($execution), 'execution_failed', 'and the execution');
is(result_of($template, 'error', 'action_error'), "save: 'int object' has no attribute 'no' (in {{ result.no.such }})", 'so does one whose template raises');
is(result_of($nonsense, 'error', 'action_error'), 'save: unknown storage "paper"', 'or that makes no sense');
is(events_of($failed, 'NULL'), 'action_error', 'what failed is not saved');
is(slurp_file("$directory/tries"), "x\nx\n", 'retry repeats the action');

#
# In iterators
#
sql('CREATE TABLE squares (id text PRIMARY KEY, i integer, square integer)');
sql('CREATE TABLE summary (id text PRIMARY KEY, results jsonb, count integer)');
$execution = execute(<<'EOT', '{numbers: [3, 4]}');
- step: act
  type: iterator
  collection: "{{ workload.numbers }}"
  element: n
  mode: async
  task:
    name: square
    tool: python
    code: |
      def main(value):
          return {"value": value, "square": value * value}
    with: {value: "{{ n }}"}
    save:
      storage: postgres
      auth: {pg: {type: postgres, key: pg_own}}
      table: public.squares
      mode: upsert
      key: id
      data: {id: "{{ execution_id }}:{{ act.result_index }}:{{ n }}", i: "{{ _loop.current_index }}", square: "{{ data.square + input.value - value + result.data.value - value }}"}
  save:
    storage: postgres
    auth: pg_own
    table: summary
    data: {id: "{{ execution_id }}", results: "{{ results | tojson }}", count: "{{ count }}"}
  next: named
- step: named
  type: iterator
  collection: [5]
  element: n
  task: {tool: python, code: "result = n", save: null, sink: {storage: postgres, auth: pg_own, table: squares, data: {id: "named {{ n }}"}}}
  next: bad
- step: bad
  type: iterator
  collection: [1, 2]
  element: n
  on_error: continue
  task: {tool: python, code: "result = n", save: {storage: postgres, auth: pg_own, table: squares, data: {id: "{{ n }}", i: "{{ 'x' if n == 1 else 2 }}"}}}
EOT
drain();
is(rows('squares'), "(\"named 5\",,) (2,2,) ($execution:0:3,0,9) ($execution:1:4,1,16)", 'a save after each item, also beside an empty one');
is(sql('SELECT results, count FROM summary'), '[{"value": 3, "square": 9}, {"value": 4, "square": 16}]|2', 'and one after all');
like(events_of($execution, 'NULL', 'act'), qr/^iterator_started, (iteration_started\S+ |save_\S+ |iteration_completed\S+ )+save_started, save_completed, action_completed$/, 'in order');
is(sql("SELECT string_agg(event_type || current_index, ',' ORDER BY event_type, current_index) FROM noetl.event WHERE execution_id = $execution AND node_name = 'act' AND event_type LIKE 'save%' AND current_index IS NOT NULL"),
	'save_completed0,save_completed1,save_started0,save_started1', 'events say which item');
like(result_of($execution, "result ->> 'errors'", 'action_completed', 'bad'), qr/^\[\{"index": 0, "message": "save \(postgres\): invalid input syntax for type integer/, 'a save that fails fails the item');
is(result_of($execution, "result -> 'data'", 'action_completed', 'bad'), '[null, 2]', 'only that');

#
# Steps that do nothing but save, and saves of what others have done
#
sql('CREATE TABLE notes (id integer, what text)');
sql(<<'SQL');
SELECT noetl.register($$
apiVersion: noetl.io/v1
kind: Playbook
metadata: {name: child, path: child}
workload: {n: 0}
workflow:
- step: start
  next: end
- step: end
  result: {twice: "{{ workload.n * 2 }}"}
$$)
SQL
$execution = execute(<<'EOT');
- step: first
  tool: python
  code: "result = {'word': 'hello {{ 1 + 1 }}'}"
  next: [{step: keys, args: {what: "{{ first.word }}"}}]
- step: keys
  type: save
  storage: postgres
  auth: pg_own
  table: notes
  data: {id: 1}
  next: block
- step: block
  save: {storage: postgres, auth: pg_own, table: notes, data: {id: 2, what: "{{ first.word }} {{ first.data.word }}"}}
  next: child
- step: child
  type: playbook
  path: child
  args: {n: 21}
  save: {storage: postgres, auth: pg_own, table: notes, data: {id: 3, what: "{{ result.twice }} {{ data.twice }} {{ input.n }}"}}
  next: each
- step: each
  type: iterator
  mode: distributed
  collection: [5, 6]
  element: x
  task:
    tool: python
    code: "result = x * 2"
    data: {x: "{{ x }}"}
    save: {storage: postgres, auth: pg_own, table: notes, data: {id: 4, what: "{{ x }} {{ result }} {{ index }}"}}
  save: {storage: postgres, auth: pg_own, table: notes, data: {id: 5, what: "{{ results }} {{ count }}"}}
  next: end
- step: end
  save: {storage: postgres, auth: pg_own, table: notes, data: {id: 6, what: "{{ each }}"}}
EOT
drain();
is(ended($execution), 'execution_complete', 'steps that only save');
is(sql("SELECT string_agg(id || ': ' || what, E'\n' ORDER BY id, what) FROM notes"), join("\n",
	'1: hello {{ 1 + 1 }}', '2: hello {{ 1 + 1 }} hello {{ 1 + 1 }}', '3: 42 42 21', '4: 5 10 0', '4: 6 12 1', '5: [10, 12] 2', '6: [10, 12]'),
	'what they have saved; data that look like templates are data');
is(result_of($execution, 'result', 'action_completed', 'keys'), '{"data": {"id": 1, "what": "hello {{ 1 + 1 }}"}, "status": "success"}', 'the value of such a step is what it saved');
is(sql("SELECT string_agg(DISTINCT current_index::text, ',') FROM noetl.event WHERE execution_id = $execution AND event_type = 'save_completed' AND node_name = 'each'"), '0,1', 'saves of distributed items say which');

#
# The event log, and http
#
my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "could not listen: $!";
my $port = $listener->sockport;
my $server = fork();
die "could not fork: $!" unless defined $server;
if ($server == 0)
{
	while (my $client = $listener->accept)
	{
		my $text = '';
		while ($text !~ /\r\n\r\n/) { sysread($client, $text, 65536, length $text) or last; }
		my ($length) = $text =~ /^content-length: *(\d+)/mi;
		my ($body) = $text =~ /\r\n\r\n(.*)/s;
		while (length $body < ($length || 0)) { sysread($client, $body, 65536, length $body) or last; }
		my ($line) = $text =~ /^(\S+ \S+)/;
		append_to_file("$directory/requests", "$line $body\n");
		my $status = $line =~ /refuse/ ? '500 No' : '200 OK';
		syswrite($client, "HTTP/1.1 $status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	}
	POSIX::_exit(0);
}
END { kill 'KILL', $server if $server; }

$execution = execute(<<"EOT");
- step: act
  tool: python
  code: "result = {'a': 1}"
  save:
    - {storage: event, data: {got: "{{ result.a }}"}}
    - {storage: http, url: "http://127.0.0.1:$port/in", data: "{{ result }}"}
    - {storage: http, endpoint: "http://127.0.0.1:$port/put", method: PUT, data: [1, "{{ result.a }}"]}
    - event_log
  next: refused
- step: refused
  tool: python
  code: "result = 1"
  save: {storage: http, url: "http://127.0.0.1:$port/refuse", data: 1}
EOT
drain();
is(slurp_file("$directory/requests"), qq(POST /in {"a": 1}\nPUT /put [1, 1]\nPOST /refuse 1\n), 'http');
is(events_of($execution, 'result'), 'save_started, save_completed {"got": 1}, save_started, save_completed, save_started, save_completed, save_started, save_completed, action_completed {"a": 1}', 'the event log');
like(result_of($execution, 'error', 'action_error', 'refused'), qr{^save \(http\): HTTP 500 No: POST http://127\.0\.0\.1:\d+/refuse$}, 'http that is refused');

#
# Commands, parameters and templates; NUL
#
sql('CREATE TABLE stated (id int, many int[], doc jsonb, kept text DEFAULT \'default\')');
$execution = execute(<<'EOT');
- step: act
  tool: python
  code: "result = {'n': 3, 'many': [1, 2]}"
  save:
    - {storage: postgres, auth: pg_own, statement: "INSERT INTO stated (id, many, doc) SELECT s.n, :many, :doc FROM generate_series(1, 5) AS s (n) WHERE s.n = :n AND s.n = ANY (:some)", params: {n: "{{ result.n }}", many: "{{ result.many }}", doc: "{{ result | tojson }}", some: [3, 4]}}
    - {storage: postgres, auth: pg_own, statement: "UPDATE stated SET id = {{ params.n }} + :n", params: {n: "{{ act.n }}"}}
    - {storage: postgres, auth: pg_own, statement: "INSERT INTO stated (id) VALUES ($2), ($1)", params: [10, 11]}
    - {storage: postgres, auth: pg_own, table: stated, data: [{id: 12, kept: null}, {id: 13}]}
    - {storage: postgres, auth: pg_own, statement: "CREATE TABLE made (n int); INSERT INTO made VALUES (:n)", params: {n: 1}}
    - {storage: postgres, auth: pg_own, commands: "INSERT INTO made VALUES ({{ result.n }}); VACUUM made"}
  on_error: continue
EOT
my $nul = execute_step(<<'EOT');
tool: postgres
auth: pg_own
command: "SELECT '\"\\u0000\"'::json AS nul"
EOT
my $open = execute_step(<<'EOT');
tool: postgres
auth: pg_own
command: "BEGIN; CREATE TABLE left_open (i int)"
EOT
drain();
is(rows('stated'), '(10,,,default) (11,,,default) (12,,,) (13,,,default) (6,"{1,2}","{""n"": 3, ""many"": [1, 2]}",default)', 'parameters have the types that PostgreSQL infers');
is(rows('made'), '(1)', 'several statements get their parameters as literals');
is(result_of($execution, 'error', 'action_error'), 'save (postgres): VACUUM cannot run inside a transaction block (SQLSTATE 25001, command_1); give the statements as a list (commands) to run each in its own transaction', 'commands are executed as in a task');
is(result_of($nul, 'error', 'action_error'), 'the result contains the character NUL (\u0000), which the database cannot store: encode it, for example with base64', 'NUL in a result');
is(result_of($open, 'error', 'action_error'), 'the commands leave a transaction open (command_2)', 'commands end what they begin');
is(sql("SELECT to_regclass('left_open') IS NULL"), 't', 'and nobody commits it for them');

is(sql('SELECT count(*) FROM noetl.queue'), 0, 'nothing is left');
done_testing();
