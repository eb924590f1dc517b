-- What network steps may reach: rules, grants, refusals.  Nothing is sent here.
\set SHOW_CONTEXT never
CREATE ROLE regress_egress_app LOGIN;
CREATE ROLE regress_egress_other LOGIN;
CREATE ROLE regress_egress_team;
CREATE ROLE regress_egress_admin;
CREATE ROLE regress_egress_root SUPERUSER;
GRANT joborch_admin TO regress_egress_admin;
GRANT regress_egress_team TO regress_egress_app;
SELECT joborch.grant_usage('regress_egress_app'), joborch.grant_usage('regress_egress_other', network => true);

SELECT setval('joborch_internal.egress_rule_rule_id_seq', 100000);

-- ---- the grant ----
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com');
SELECT joborch_internal.debug_egress('regress_egress_other', 'https', 'api.example.com');
SELECT joborch.allow_egress('regress_egress_app', 'api.example.com', reason => 'orders') AS orders \gset
SELECT joborch.grant_usage('regress_egress_app', network => true);
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'API.example.com.') = :orders AS allowed;
SELECT joborch.revoke_usage('regress_egress_app', network_only => true);
SELECT pg_has_role('regress_egress_app', 'joborch_user', 'MEMBER') AS still_a_user;
\set VERBOSITY terse
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com');
-- by membership too
GRANT joborch_network TO regress_egress_team;
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com') = :orders AS allowed;
\set VERBOSITY default

-- ---- rules ----
SELECT joborch.allow_egress('regress_egress_team', '*.Example.com', 8000, 8100, 'HTTP, https', rate => '600/min', max_concurrent => 3) AS team \gset
SELECT joborch.allow_egress('public', '10.1.2.3') AS everybody \gset
SELECT joborch.allow_egress(NULL, 'intern.example.com', addresses => '{10.0.0.0/8,FD00::/8,::ffff:192.168.0.0/112}', insecure => true) AS intern \gset
SELECT joborch.deny_egress('public', 'bad.example.com', reason => 'gone') AS bad \gset
SELECT joborch.allow_egress('regress_egress_other', 'localhost', port => 5432) AS own \gset
SELECT effect, role, host, ports, scheme, addresses, insecure, max_concurrent, rate, reason, created_by
FROM joborch.egress_rules ORDER BY rule_id;

-- the same again changes it
SELECT joborch.allow_egress('regress_egress_app', 'API.EXAMPLE.COM', max_concurrent => 9) = :orders AS same,
	joborch.allow_egress('regress_egress_app', 'api.example.com', port => 443) <> :orders AS another_port,
	joborch.allow_egress('regress_egress_app', 'api.example.com', scheme => 'https') <> :orders AS another_scheme,
	joborch.allow_egress('regress_egress_team', 'api.example.com') <> :orders AS another_role;
SELECT max_concurrent, reason FROM joborch.egress_rules WHERE rule_id = :orders;

-- ---- who may reach what ----
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', 'a.example.com', 8080) = :team AS of_the_team,
	joborch_internal.debug_egress('regress_egress_other', 'http', '167838211') = :everybody AS for_all,
	joborch_internal.debug_egress('regress_egress_other', 'https', 'intern.example.com', address => '10.9.9.9') = :intern AS by_address,
	joborch_internal.debug_egress('regress_egress_other', 'https', 'intern.example.com', address => '192.168.1.1', insecure => true) = :intern AS mapped;
SELECT joborch_internal.debug_egress('regress_egress_other', 'http', 'a.example.com', 8080);
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', 'a.example.com', 8101);
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com', address => '169.254.169.254');
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com', address => '::ffff:127.0.0.1');
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'intern.example.com', address => '93.184.216.34');
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'bad.example.com', 8080);
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com', insecure => true);
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', 'bücher.example');
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', '127.0.0.1', 8080);
SELECT joborch.allow_egress('regress_egress_app', '127.0.0.1', port => 8080) AS local \gset
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', '127.1', 8080, address => '127.0.0.1') = :local AS allowed;
-- denied by address, whatever the name
SELECT joborch.deny_egress('regress_egress_team', '10.9.9.9') AS no_nine \gset
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'intern.example.com', address => '10.9.9.9');
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', '10.9.9.9');
SELECT joborch_internal.debug_egress('regress_egress_other', 'https', 'intern.example.com', address => '10.9.9.9') = :intern AS not_of_the_team;

-- a superuser may use the network, but has only the rules of his own roles
SELECT joborch_internal.debug_egress('regress_egress_root', 'https', 'api.example.com');
SELECT joborch_internal.debug_egress('regress_egress_root', 'http', '10.1.2.3') = :everybody AS for_all;
GRANT regress_egress_team TO regress_egress_root;
SELECT joborch_internal.debug_egress('regress_egress_root', 'http', 'a.example.com', 8080) = :team AS of_the_team;

-- what is denied to a role is denied to members who inherit nothing
CREATE ROLE regress_egress_quiet NOINHERIT IN ROLE regress_egress_team;
SELECT joborch.allow_egress('regress_egress_quiet', 'intern.example.com', addresses => '{10.0.0.0/8}') > 0 AS made;
GRANT joborch_network TO regress_egress_quiet;
ALTER ROLE regress_egress_quiet INHERIT;
SELECT joborch_internal.debug_egress('regress_egress_quiet', 'https', 'intern.example.com', address => '10.9.9.9');

-- a transfer keeps the rules that it began with
SELECT joborch_internal.debug_egress_hold('regress_egress_app');
SELECT joborch.drop_egress(:local);
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', '127.0.0.1', 8080, held => true) = :local AS held;
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', '127.0.0.1', 8080);
SELECT joborch_internal.debug_egress_hold(NULL);
-- a rule that was rolled back was never there
BEGIN;
SELECT joborch.allow_egress('regress_egress_app', '127.0.0.1', port => 8080) AS local \gset
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', '127.0.0.1', 8080) = :local AS in_the_transaction;
ROLLBACK;
\set VERBOSITY terse
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', '127.0.0.1', 8080);
-- a role that lost its membership lost the rules
REVOKE regress_egress_team FROM regress_egress_app;
SELECT joborch.grant_usage('regress_egress_app', network => true);
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', 'a.example.com', 8080);
-- a role that was renamed kept them, another one of its name did not get them
ALTER ROLE regress_egress_app RENAME TO regress_egress_renamed;
CREATE ROLE regress_egress_app;
SELECT joborch.grant_usage('regress_egress_app', network => true);
SELECT joborch_internal.debug_egress('regress_egress_renamed', 'http', 'api.example.com') > 0 AS kept;
SELECT joborch_internal.debug_egress('regress_egress_app', 'http', 'api.example.com');
SELECT DISTINCT role FROM joborch.egress_rules WHERE host = 'api.example.com' ORDER BY 1;
DROP OWNED BY regress_egress_app;
DROP ROLE regress_egress_app;
ALTER ROLE regress_egress_renamed RENAME TO regress_egress_app;
\set VERBOSITY default

-- ---- bad input ----
SELECT joborch.allow_egress('nobody of this name', 'a.org');
SELECT joborch.allow_egress('public', 'https://a.org/x');
SELECT joborch.allow_egress('public', 'a.org/x');
SELECT joborch.allow_egress('public', 'a.org:8080');
SELECT joborch.allow_egress('public', '10.0.0.0/8');
SELECT joborch.allow_egress('public', 'a*.org');
SELECT joborch.allow_egress('public', 'bücher.example');
SELECT joborch.allow_egress('public', NULL);
SELECT joborch.allow_egress('public', 'a.org', port => 0);
SELECT joborch.allow_egress('public', 'a.org', port => 65536);
SELECT joborch.allow_egress('public', 'a.org', last_port => 80);
SELECT joborch.allow_egress('public', 'a.org', port => 80, last_port => 79);
SELECT joborch.allow_egress('public', 'a.org', scheme => 'htps');
SELECT joborch.allow_egress('public', 'a.org', scheme => 'file');
SELECT joborch.allow_egress('public', 'a.org', scheme => 'http,');
SELECT joborch.allow_egress('public', 'a.org', addresses => '{10.0.0.1/8}');
SELECT joborch.allow_egress('public', 'a.org', addresses => '{10.0.0.0/40}');
SELECT joborch.allow_egress('public', 'a.org', addresses => '{a.org}');
SELECT joborch.allow_egress('public', 'a.org', addresses => '{NULL}');
SELECT joborch.allow_egress('public', 'a.org', max_concurrent => 0);
SELECT joborch.allow_egress('public', 'a.org', rate => '100');
SELECT joborch.deny_egress('public', '');
SELECT joborch.drop_egress(0);
SELECT joborch.drop_egress(NULL);

-- ---- refusals ----
SET ROLE regress_egress_app;
SELECT joborch.start_sql('SELECT 1') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
RESET ROLE;
SELECT joborch_internal.debug_egress_record(:run, 'first');
SELECT joborch_internal.debug_egress_record(:run, 'none was refused since');
\set VERBOSITY terse
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'intern.example.com', 4443);
SELECT joborch_internal.debug_egress_record(:run, 'second', 3);
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'intern.example.com', address => '127.0.0.1');
SELECT joborch_internal.debug_egress_record(:run, 'third');
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'bad.example.com');
SELECT joborch_internal.debug_egress_record(:run, 'fourth');
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com', insecure => true);
SELECT joborch_internal.debug_egress_record(:run, 'fifth');
SELECT joborch.revoke_usage('regress_egress_app', network_only => true);
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com');
SELECT joborch_internal.debug_egress_record(:run, 'sixth');
\set VERBOSITY default
SELECT role, run_id = :run AS of_run, step, item, scheme, host, port, address, why
FROM joborch.egress_refusals WHERE run_id = :run ORDER BY refusal_id;

-- only the last ones are kept, each in its place
SELECT setval('joborch_internal.egress_refusal_seq', refusal_id + 9999) IS NOT NULL AS turned
FROM joborch.egress_refusals WHERE run_id = :run AND step = 'first';
\set VERBOSITY terse
SELECT joborch_internal.debug_egress('regress_egress_app', 'https', 'api.example.com');
\set VERBOSITY default
SELECT joborch_internal.debug_egress_record(:run, 'in the place of the first');
SELECT step FROM joborch.egress_refusals WHERE run_id = :run ORDER BY refusal_id;

-- ---- who may do and see what ----
SET ROLE regress_egress_other;
SELECT joborch.allow_egress('regress_egress_other', 'a.org');
SELECT joborch.drop_egress(:bad);
SELECT effect, role, host FROM joborch.egress_rules ORDER BY rule_id;
SELECT count(*) FROM joborch.egress_refusals WHERE run_id = :run;
SELECT count(*) FROM joborch_internal.egress_rule;
RESET ROLE;
SET ROLE regress_egress_app;
SELECT count(*) > 0 AS own FROM joborch.egress_refusals WHERE run_id = :run;
RESET ROLE;
SET ROLE regress_egress_admin;
SELECT joborch.deny_egress('public', 'x.org') AS x \gset
SELECT joborch.drop_egress(:x);
SELECT count(DISTINCT role) AS roles FROM joborch.egress_rules;
SELECT type, by_role, detail - 'rule_id' AS detail, reason FROM joborch.job_events
WHERE type LIKE 'egress%' OR type LIKE 'usage%' ORDER BY event_id DESC LIMIT 4;
RESET ROLE;
SELECT detail - 'rule_id' AS detail FROM joborch.job_events WHERE type = 'egress_allowed' AND detail ->> 'role' = 'regress_egress_team' ORDER BY event_id LIMIT 1;

-- rules of a role that is gone go with the next change
DROP OWNED BY regress_egress_other, regress_egress_quiet;
DROP ROLE regress_egress_other, regress_egress_quiet;
SELECT count(*) FROM joborch.egress_rules WHERE role = 'regress_egress_other';
SELECT joborch.drop_egress(joborch.deny_egress('public', 'x.org'));
SELECT count(*) FROM joborch.egress_rules WHERE role = 'regress_egress_other';

SELECT count(joborch.drop_egress(rule_id)) > 5 AS dropped FROM joborch.egress_rules;
SELECT joborch.delete_run(:run);
DROP OWNED BY regress_egress_app, regress_egress_team, regress_egress_admin, regress_egress_root;
DROP ROLE regress_egress_app, regress_egress_team, regress_egress_admin, regress_egress_root;
