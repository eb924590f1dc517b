-- What CREATE EXTENSION leaves in the catalogs: the rules of the house.

-- every public function that enters with raised rights has its counterpart
SELECT o.oid::regprocedure
FROM pg_proc o
LEFT JOIN pg_proc i ON i.pronamespace = 'joborch_internal'::regnamespace AND i.proname = o.proname
	AND i.proargtypes = o.proargtypes AND i.prorettype = o.prorettype AND i.proretset = o.proretset
	AND i.proargmodes IS NOT DISTINCT FROM o.proargmodes AND i.proallargtypes IS NOT DISTINCT FROM o.proallargtypes
WHERE o.prosrc = 'joborch_call' AND i.oid IS NULL;

-- no function is SECURITY DEFINER
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('joborch'::regnamespace, 'joborch_internal'::regnamespace) AND p.prosecdef;

-- functions in SQL that callers reach without joborch_call fix their search_path, or are inlined or fully qualified
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'joborch'::regnamespace AND l.lanname IN ('sql', 'plpgsql') AND p.proconfig IS NULL AND p.prosqlbody IS NULL;

-- nothing is granted to PUBLIC
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('joborch'::regnamespace, 'joborch_internal'::regnamespace)
	AND (p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0));
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace IN ('joborch'::regnamespace, 'joborch_internal'::regnamespace)
	AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0);
SELECT n.nspname FROM pg_namespace n
WHERE n.nspname IN ('joborch', 'joborch_internal') AND EXISTS (SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee = 0);

-- tables are granted to nobody and have row security
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'joborch_internal'::regnamespace AND c.relkind = 'r'
	AND (NOT c.relrowsecurity OR EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner));

-- views are security barriers, but for those that hold nobody's data
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'joborch'::regnamespace AND c.relkind = 'v'
	AND NOT coalesce('security_barrier=true' = ANY (c.reloptions), false)
ORDER BY c.relname;

-- columns have built-in types only
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = 'joborch_internal'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
	AND t.typnamespace <> 'pg_catalog'::regnamespace;

-- all that is public has a comment
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'joborch'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'joborch'::regnamespace AND c.relkind = 'v' AND obj_description(c.oid, 'pg_class') IS NULL;

-- what pg_dump takes
SELECT unnest(x.extconfig)::regclass AS relation, unnest(x.extcondition) AS condition
FROM pg_extension x WHERE x.extname = 'joborch' ORDER BY 1::text;

-- the public names
SELECT p.proname, count(*) FROM pg_proc p WHERE p.pronamespace = 'joborch'::regnamespace GROUP BY 1 ORDER BY 1;
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'joborch'::regnamespace AND c.relkind = 'v' ORDER BY 1;

-- each role may do what the one before may do
SELECT r.rolname, r.rolcanlogin, pg_has_role('joborch_admin', r.oid, 'USAGE') AS admin_has_it
FROM pg_roles r WHERE r.rolname LIKE 'joborch\_%' ORDER BY 1;
