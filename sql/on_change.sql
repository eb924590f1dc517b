-- Runs that are started by changes of a table, with the change and not without it.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE SCHEMA change_test;
CREATE TABLE change_test.orders (id integer PRIMARY KEY, status text, amount numeric);
CREATE TABLE change_test.seen (n serial, input jsonb);
SELECT joborch.create_job('change_seen', '{"steps": [{"name": "a", "sql": "INSERT INTO change_test.seen (input) VALUES ({{ input }})"}]}') > 0 AS saved;
CREATE FUNCTION test.seen(p_count integer) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test.poll(format('SELECT count(*) >= %s FROM change_test.seen', p_count));
	PERFORM test.poll('SELECT count(*) = 0 FROM joborch.active_runs WHERE job = ''change_seen'' AND run_at <= clock_timestamp()');
	RETURN QUERY SELECT s.input FROM change_test.seen s ORDER BY s.input::text;
	TRUNCATE change_test.seen;
END
$$;

-- ---- a run for each row ----

SELECT joborch.on_change('change_test.orders', 'change_seen') > 0 AS made;
SELECT name, relation, job, events, mode, condition, input, key, debounce, problem FROM joborch.change_triggers;
INSERT INTO change_test.orders SELECT i, 'new', i FROM generate_series(1, 3) AS i;
SELECT * FROM test.seen(3);
-- old and new rows belong to each other, whatever the order and the keys
UPDATE change_test.orders SET status = 'paid', id = id + 10 WHERE id > 1;
SELECT * FROM test.seen(2);
DELETE FROM change_test.orders WHERE id = 1;
SELECT * FROM test.seen(1);
UPDATE change_test.orders SET status = 'x' WHERE false;
BEGIN;
DELETE FROM change_test.orders;
ROLLBACK;
BEGIN;
SAVEPOINT a;
DELETE FROM change_test.orders;
ROLLBACK TO a;
UPDATE change_test.orders SET amount = 0 WHERE id = 12;
COMMIT;
INSERT INTO change_test.orders VALUES (12, 'again', 1), (20, 'new', 1) ON CONFLICT (id) DO UPDATE SET status = excluded.status;
SELECT * FROM test.seen(3);
MERGE INTO change_test.orders o USING (VALUES (20), (21)) AS v (id) ON o.id = v.id
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'merged', 1);
SELECT * FROM test.seen(2);

-- ---- conditions and inputs ----

SELECT joborch.on_change('change_test.orders', 'change_seen', '{UPDATE,insert}', 'new.status = ''paid'' AND old.status IS DISTINCT FROM ''paid'' -- only once',
	'jsonb_build_object(''order'', new.id, ''event'', change.event)', name => 'change_seen on change_test.orders') > 0 AS replaced;
SELECT name, events, condition, input FROM joborch.change_triggers;
SELECT tgname ~ '^joborch_change_\d+_(insert|update)$' AS named FROM pg_trigger WHERE tgrelid = 'change_test.orders'::regclass AND NOT tgisinternal ORDER BY 1;
INSERT INTO change_test.orders VALUES (30, 'paid', 1), (31, 'new', 1);
UPDATE change_test.orders SET status = 'paid' WHERE id IN (30, 31);
UPDATE change_test.orders SET status = 'paid' WHERE id IN (30, 31);
DELETE FROM change_test.orders WHERE id > 29;
SELECT * FROM test.seen(2);
SELECT joborch.drop_on_change('change_seen on change_test.orders');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'change_test.orders'::regclass AND NOT tgisinternal;

-- ---- a run for each statement; many rows ----

SELECT joborch.on_change('change_test.orders', 'change_seen', mode => 'statement', name => 'a') > 0
	AND joborch.on_change('change_test.orders', 'change_seen', '{insert}', 'new.amount > 1', 'jsonb_build_object(''sum'', sum(new.amount), ''max'', max(new.id))',
		'statement', name => 'b') > 0 AS made;
INSERT INTO change_test.orders SELECT i, 'many', i % 3 FROM generate_series(1001, 4000) AS i;
UPDATE change_test.orders SET amount = 1 WHERE false;
INSERT INTO change_test.orders VALUES (50, 'one', 1);
SELECT * FROM test.seen(3);
SELECT joborch.drop_on_change('a');
SELECT joborch.drop_on_change('b');
SELECT joborch.on_change('change_test.orders', 'change_seen', '{delete}', input => 'jsonb_build_object(''id'', old.id)', name => 'many') > 0 AS made;
DELETE FROM change_test.orders WHERE id > 1000;
SELECT test.poll('SELECT count(*) = 3000 FROM change_test.seen');
SELECT count(*), count(DISTINCT input), min((input ->> 'id')::int), max((input ->> 'id')::int) FROM change_test.seen;
TRUNCATE change_test.seen;
SELECT joborch.drop_on_change('many');

-- ---- one run of each key waits ----

SELECT joborch.on_change('change_test.orders', 'change_seen', '{update}', input => 'jsonb_build_object(''id'', new.id, ''status'', new.status)',
	debounce => '1 hour', key => 'new.id', name => 'calm') > 0 AS made;
DELETE FROM change_test.orders;
INSERT INTO change_test.orders VALUES (1, 'a', 1), (2, 'a', 1), (3, 'a', 1);
UPDATE change_test.orders SET status = 'b';
UPDATE change_test.orders SET status = 'c' WHERE id < 3;
UPDATE change_test.orders SET status = 'd' WHERE id = 1;
SELECT input, run_at > now() + interval '50 min' AS later FROM joborch.job_runs WHERE job = 'change_seen' AND status = 'pending' ORDER BY input ->> 'id';
SELECT count(joborch.cancel_run(run_id)) FROM joborch.active_runs WHERE job = 'change_seen';
SELECT test.poll('SELECT count(*) = 0 FROM joborch.active_runs WHERE job = ''change_seen''');
-- without a key of rows the last one counts
SELECT joborch.on_change('change_test.orders', 'change_seen', '{update}', debounce => '1 hour', input => 'jsonb_build_object(''id'', new.id)', name => 'calm') > 0 AS made;
UPDATE change_test.orders SET status = 'e' WHERE id = 1;
UPDATE change_test.orders SET status = 'e' WHERE id = 2;
SELECT input FROM joborch.job_runs WHERE job = 'change_seen' AND status = 'pending';
SELECT count(joborch.cancel_run(run_id)) FROM joborch.active_runs WHERE job = 'change_seen';
SELECT joborch.drop_on_change('calm');

-- ---- partitions; tables that go ----

CREATE TABLE change_test.parts (id integer, kind text) PARTITION BY LIST (kind);
CREATE TABLE change_test.parts_a PARTITION OF change_test.parts FOR VALUES IN ('a');
CREATE TABLE change_test.parts_b PARTITION OF change_test.parts FOR VALUES IN ('b');
SELECT joborch.on_change('change_test.parts', 'change_seen', name => 'parts') > 0 AS made;
INSERT INTO change_test.parts VALUES (1, 'a'), (2, 'b'), (3, 'a');
SELECT input - 'table' AS input FROM test.seen(3) AS t (input);
UPDATE change_test.parts SET kind = CASE kind WHEN 'a' THEN 'b' ELSE 'a' END, id = id * 10;
SELECT input - 'table' AS input FROM test.seen(3) AS t (input);
DROP TABLE change_test.parts;
SELECT count(*) FROM joborch.change_triggers;

-- ---- whose rights ----

CREATE ROLE regress_change_owner LOGIN;
CREATE ROLE regress_change_writer LOGIN;
GRANT joborch_user TO regress_change_owner;
GRANT USAGE ON SCHEMA change_test TO regress_change_owner, regress_change_writer;
CREATE TABLE change_test.theirs (id integer);
ALTER TABLE change_test.theirs OWNER TO regress_change_owner;
GRANT INSERT ON change_test.theirs TO regress_change_writer;
SET ROLE regress_change_owner;
SELECT joborch.create_job('change_theirs', '{"run_as": "caller", "steps": [{"name": "a", "sql": "SELECT current_user::text AS who"}]}') > 0 AS saved;
SELECT joborch.on_change('change_test.theirs', 'change_theirs', input => 'jsonb_build_object(''by'', current_user)', name => 'theirs') > 0 AS made;
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_theirs'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.theirs'', ''change_seen'')');
RESET ROLE;
-- who writes the table needs no right of joborch's; the run is the owner's
SET ROLE regress_change_writer;
INSERT INTO change_test.theirs VALUES (1);
RESET ROLE;
SELECT run_id AS r FROM joborch.job_runs WHERE job = 'change_theirs' \gset
SELECT joborch.wait_for_run(:r, '30 s');
SELECT r.owner, r.requested_by, r.input, s.output -> 'rows' -> 0 ->> 'who' AS who FROM joborch.job_runs r, joborch.run_steps(:r) AS s WHERE r.run_id = :r;
-- the function does nothing for a trigger that somebody made by hand, and nobody can name it
SET ROLE regress_change_owner;
CREATE TABLE pg_temp.mine (id integer);
SELECT test.refused('CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS joborch_new FOR EACH STATEMENT EXECUTE FUNCTION joborch_internal.change_fired(1)');
RESET ROLE;
CREATE TABLE change_test.mine (id integer);
SELECT format('CREATE TRIGGER t AFTER INSERT ON change_test.mine REFERENCING NEW TABLE AS joborch_new FOR EACH STATEMENT EXECUTE FUNCTION joborch_internal.change_fired(%s)',
	trigger_id) AS command FROM joborch.change_triggers WHERE name = 'theirs' \gset
:command;
SELECT test.refused('INSERT INTO change_test.mine VALUES (1)');

-- ---- a job that cannot be started any more; an input that it does not take ----

SET client_min_messages = notice;
SELECT joborch.alter_job('change_theirs', active => false) IS NOT NULL AS altered;
SELECT name, problem FROM joborch.change_triggers;
INSERT INTO change_test.theirs VALUES (2);
SELECT joborch.alter_job('change_theirs', active => true) IS NOT NULL AS altered;
ALTER ROLE regress_change_owner NOLOGIN;
INSERT INTO change_test.theirs VALUES (3);
ALTER ROLE regress_change_owner LOGIN;
SELECT count(*) FROM change_test.theirs;
SELECT count(*) FROM joborch.job_runs WHERE job = 'change_theirs';
SELECT joborch.on_change('change_test.theirs', 'change_theirs', input => '''[]''', name => 'theirs') > 0 AS made;
SELECT test.refused('INSERT INTO change_test.theirs VALUES (4)');
ALTER TABLE change_test.theirs DISABLE TRIGGER ALL;
SELECT name, problem FROM joborch.change_triggers;
ALTER TABLE change_test.theirs ENABLE TRIGGER ALL;
SELECT joborch.drop_job('change_theirs', force => true);
SELECT count(*) FROM joborch.change_triggers;
INSERT INTO change_test.theirs VALUES (5);

-- ---- what is refused ----

SELECT test.refused('SELECT joborch.on_change(NULL, ''change_seen'')');
SELECT test.refused('SELECT joborch.on_change(''pg_class'', ''change_seen'')');
SELECT test.refused('SELECT joborch.on_change(''joborch.jobs'', ''change_seen'')');
SELECT test.refused('SELECT joborch.on_change(''joborch_internal.job'', ''change_seen'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''no such job'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', ''{truncate}'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', ''{}'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', mode => ''row'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', debounce => ''0 s'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', condition => ''new.state = 1'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', condition => ''new.id'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', condition => ''true) UNION SELECT (NULL'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', condition => ''true); SELECT (1'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', condition => ''true /*'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', input => ''1, 2'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', input => ''new.id'')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', input => '''')');
SELECT test.refused('SELECT joborch.on_change(''change_test.orders'', ''change_seen'', input => ''no_such_function(new.id)'')');
SELECT test.refused('SELECT joborch.drop_on_change(''no such trigger'')');

SELECT * FROM joborch.check();
SELECT joborch.drop_job('change_seen', force => true);
DROP FUNCTION test.seen(integer);
DROP SCHEMA change_test CASCADE;
DROP ROLE regress_change_writer;
DROP OWNED BY regress_change_owner;
DROP ROLE regress_change_owner;
