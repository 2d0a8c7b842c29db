# Tasks of type duckdb, where libduckdb.so is to be found (NOETL_LIBDUCKDB names
# it otherwise).
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use PostgreSQL::Test::Utils;
use Test::More;
use WorkerTest;

start_broker();
my $directory = PostgreSQL::Test::Utils::tempdir();
$ENV{NOETL_DUCKDB_DIR} = $directory;
{
	my $log;
	my $worker = start_worker(\$log, '--types', 'duckdb', '--once', '-v');
	$worker->finish;
	plan skip_all => 'there is no DuckDB here' if $worker->full_result(0) != 0;
}

my $execution = execute(<<'EOT', '{numbers: [10, 11, 12]}');
- step: make
  tool: duckdb
  command: |
    -- a comment; with a semicolon
    CREATE TABLE t (id INTEGER PRIMARY KEY, n DOUBLE, tags VARCHAR[], m STRUCT(a INT, b VARCHAR));
    INSERT INTO t VALUES (1, 1.5, ['x', 'y;z'], {'a': 1, 'b': 'it''s'}), (2, NULL, NULL, NULL);;
    ;
  next: look
- step: look
  type: duckdb
  commands:
  - "SELECT *, DATE '2024-01-02' AS d, 12345678901234567890::HUGEINT AS h FROM t ORDER BY id DESC -- last"
  - "INSERT INTO t VALUES (3, 3, [], NULL) RETURNING id, m; UPDATE t SET n = 9 WHERE id > 1; SHOW TABLES"
  next: each
- step: each
  type: iterator
  mode: async
  collection: "{{ workload.numbers }}"
  element: x
  task:
    tool: duckdb
    command: "INSERT INTO t VALUES ({{ x }}, 0, [], NULL)"
    save: {storage: duckdb, table: t, mode: upsert, key: id, data: [{id: "{{ x }}", tags: [a, b], m: {a: 7, b: "it's"}}]}
  next: act
- step: act
  tool: duckdb
  commands: "SELECT id, tags, m FROM t WHERE id >= 10 ORDER BY id"
  next: save
- step: save
  tool: python
  code: "result = [{'id': 100, 'n': 1}]"
  save: {storage: duckdb, table: t, mode: overwrite, data: "{{ result }}"}
  next: final
- step: final
  tool: duckdb
  sql: FROM t
EOT
my $failed = execute_step("tool: duckdb\ncommand: SELECT 1 AS one; SELECT nope");
my $several = execute_step(<<'EOT');
tool: duckdb
command: |
  SELECT 2*3 AS six; /* not 2*3; */ SELECT 8/2 AS four; -- nor; this
  SELECT '/*' AS opened; SELECT '--' AS dashes, 5-1 AS minus; SELECT $$;$$ AS dollar, $a$;$$;$a$ AS tagged; SELECT E'\';' AS escaped
EOT
my $memory = execute_step("tool: duckdb\ndatabase: ':memory:'\ncommand: SELECT 'x' AS a");
my $slow = execute_step("tool: duckdb\ntimeout: 1\ncommand: SELECT count(*) FROM range(100000000000) a, range(10) b");
my $clash = execute_step(<<'EOT');
tool: duckdb
command: CREATE TABLE u (id INTEGER PRIMARY KEY)
save: {storage: duckdb, table: u, mode: overwrite, data: [{id: 1}, {id: 1}]}
EOT
drain();
is(ended($execution), 'execution_complete', 'a playbook with a DuckDB of its own');
is(result_of($execution, "result #> '{data,command_0,rows}'", 'action_completed', 'look'),
	'[{"d": "2024-01-02", "h": 12345678901234567890, "m": null, "n": null, "id": 2, "tags": null}, '
	  . '{"d": "2024-01-02", "h": 12345678901234567890, "m": {"a": 1, "b": "it\'s"}, "n": 1.5, "id": 1, "tags": ["x", "y;z"]}]', 'rows');
is(result_of($execution, "(result -> 'data') - 'command_0'", 'action_completed', 'look'),
	'{"result": [{"name": "t"}], "command_1": {"rows": [{"m": null, "id": "3"}], "status": "success", "row_count": 1}, '
	  . '"command_2": {"rows": [], "status": "success", "row_count": 2}, "command_3": {"rows": [{"name": "t"}], "status": "success", "row_count": 1}}', 'other statements');
is(result_of($execution, "result #>> '{data,result}'"),
	'[' . join(', ', map { qq({"m": {"a": 7, "b": "it's"}, "id": $_, "tags": ["a", "b"]}) } 10, 11, 12) . ']', 'several processes, and saves');
is(result_of($execution, "result #>> '{data,result}'", 'action_completed', 'final'), '[{"m": null, "n": 1.0, "id": 100, "tags": null}]', 'overwrite');
like(result_of($failed, 'error', 'action_error'), qr/^Binder Error: Referenced column "nope" .*\(command_1\)$/s, 'an error');
is(result_of($several, "(SELECT string_agg((result #> ARRAY['data', 'command_' || n, 'rows', '0'])::text, ' ' ORDER BY n) FROM generate_series(0, 9) AS n)"),
	'{"six": 6} {"four": 4.0} {"opened": "/*"} {"minus": 4, "dashes": "--"} {"dollar": ";", "tagged": ";$$;"} {"escaped": "\';"}',
	'statements end at a semicolon that no text and no comment has');
is(result_of($memory, "result #>> '{data,result}'"), '[{"a": "x"}]', 'in memory');
is(result_of($slow, 'error', 'action_error'), 'timed out after 1 seconds', 'timeout');
like(result_of($clash, 'error', 'action_error'), qr/^save \(duckdb\): Constraint Error/, 'a save that fails');
is(join(' ', map { m{/(\d+)\.duckdb$} ? $1 : () } sort glob("$directory/*.duckdb")), join(' ', sort { $a <=> $b } $execution, $failed, $several, $slow, $clash), 'a file for each execution');

# A save that is written as commands, and the rows of a statement, which are the value of a step that only saves.
my $stated = execute(<<'EOT');
- step: calc
  tool: python
  code: "result = {'n': 3}"
  save:
    storage:
      tool: duckdb
      commands: |
        CREATE OR REPLACE TABLE seen AS SELECT {{ result.n }} AS n;
        SELECT * FROM seen;
  next: rows
- step: rows
  type: save
  storage: duckdb
  statement: "INSERT INTO seen VALUES (:n) RETURNING n, n + 1 AS more"
  params: {n: 4}
  next: none
- step: none
  save: {storage: duckdb, statement: "UPDATE seen SET n = :n WHERE n = 3", params: {n: 5}}
  next: look
- step: look
  tool: duckdb
  command: SELECT n FROM seen ORDER BY n
EOT
drain();
is(result_of($stated, "result #> '{data,result}'", 'action_completed', 'look'), '[{"n": 4}, {"n": 5}]', 'a save as commands');
is(result_of($stated, "result -> 'data'", 'action_completed', 'rows'), '[{"n": "4", "more": "5"}]', 'rows that the statement of a save returns');
is(result_of($stated, "result -> 'data'", 'action_completed', 'none'), '{"n": 5}', 'and what it saves if it returns none');
done_testing();
