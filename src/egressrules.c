/*
 * egressrules.c
 *		What a role may reach, from the rows of egress_rule; and what was refused.
 *
 * The rules are read once and kept in the process until the table or a role changes. A
 * set of rules that is out of date stays as long as a transfer looks at it: who asked
 * for a view named a memory context, and is counted until that goes.
 */
#include "egressrules.h"

#include "catalog/pg_authid.h"
#include "clock.h"
#include "common/hashfn.h"
#include "errors.h"
#include "joborch.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include <arpa/inet.h>
#include <netinet/in.h>

typedef struct Rule
{
	JoEgressRule rule;
	Oid			role;
	bool		everyone;
} Rule;

typedef struct RuleSet
{
	MemoryContext context;
	int			pins;
	int			nrules;
	Rule	   *rules;
	HTAB	   *views;			/* RoleView by role */
} RuleSet;

typedef struct RoleView
{
	Oid			role;
	bool		complete;		/* what follows is filled in */
	bool		network;		/* has the grant */
	JoEgressView view;
} RoleView;

static RuleSet *current;
static bool stale;
static Oid	watched;			/* the table */

/* Of the last error that was raised here. */
static JoEgressRefusal last;
static bool has_last;

/* ---- the set of rules ---- */

/* These come at any time: they only mark. */
static void
forget_table(Datum argument, Oid relid)
{
	if (!OidIsValid(relid) || !OidIsValid(watched) || relid == watched)
		stale = true;
}

static void
forget_roles(Datum argument, int cache, uint32 hash)
{
	stale = true;
}

static void
watch_changes(void)
{
	static bool registered = false;

	if (registered)
		return;
	CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_roles, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_roles, (Datum) 0);
	registered = true;
}

static void
add_ranges(JoEgressRule *rule, const JoEgressRuleRow *row)
{
	rule->ranges = palloc0(sizeof(JoEgressRange) * (row->naddresses + 1));
	for (int i = 0; i < row->naddresses; i++)
	{
		char	   *error;
		char	   *hint;

		if (!jo_egress_parse_range(row->addresses[i], &rule->ranges[i], &error, &hint))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("egress rule %lld cannot be read", (long long) row->rule_id),
					 errdetail_internal("%s", error),
					 errhint("SELECT joborch.drop_egress(%lld);", (long long) row->rule_id)));
	}
	rule->nranges = row->naddresses;
}

static void
add_rule(Rule *rule, const JoEgressRuleRow *row)
{
	rule->role = row->role;
	rule->everyone = row->everyone;
	rule->rule.rule_id = row->rule_id;
	rule->rule.deny = row->deny;
	rule->rule.insecure = row->insecure;
	rule->rule.host = pstrdup(row->host);
	rule->rule.schemes = row->schemes;
	rule->rule.port_low = row->port_low;
	rule->rule.port_high = row->port_high;
	rule->rule.max_concurrent = row->max_concurrent;
	rule->rule.rate = row->rate;
	add_ranges(&rule->rule, row);
}

static RuleSet *
read_set(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "joborch egress rules",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old;
	RuleSet    *set = MemoryContextAllocZero(context, sizeof(RuleSet));
	JoEgressRuleRow *rows;
	HASHCTL		control;

	set->context = context;
	set->nrules = jo_store_egress_rules(&rows, &watched);
	old = MemoryContextSwitchTo(context);
	set->rules = palloc0(sizeof(Rule) * (set->nrules + 1));
	for (int i = 0; i < set->nrules; i++)
		add_rule(&set->rules[i], &rows[i]);
	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(RoleView);
	control.hcxt = context;
	set->views = hash_create("joborch egress views", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	return set;
}

static void
drop_unused(RuleSet *set)
{
	if (set->pins == 0 && set != current)
		MemoryContextDelete(set->context);
}

static RuleSet *
get_set(void)
{
	RuleSet    *before = current;

	if (current != NULL && !stale)
		return current;
	watch_changes();
	current = NULL;
	if (before != NULL)
		drop_unused(before);
	/* what changes from here on is read the next time */
	stale = false;
	current = read_set();
	return current;
}

static void
unpin_set(void *argument)
{
	RuleSet    *set = argument;

	Assert(set->pins > 0);
	set->pins--;
	drop_unused(set);
}

static void
pin_set(RuleSet *set, MemoryContext holder)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(holder, sizeof(MemoryContextCallback));

	callback->func = unpin_set;
	callback->arg = set;
	MemoryContextRegisterResetCallback(holder, callback);
	set->pins++;
}

/* ---- views ---- */

/*
 * A superuser has the rights of every role, but only the rules of those that he was made a
 * member of.  What is denied to a role is denied to its members even where they
 * inherit nothing: they could set themselves to it.
 */
static bool
concerns(const Rule *rule, Oid role)
{
	if (rule->everyone)
		return true;
	if (!OidIsValid(rule->role) || !is_member_of_role_nosuper(role, rule->role))
		return false;
	return rule->rule.deny || superuser_arg(role) || has_privs_of_role(role, rule->role);
}

static void
build_view(RuleSet *set, RoleView *view)
{
	Oid			grant = get_role_oid("joborch_network", true);

	view->network = OidIsValid(grant) && has_privs_of_role(view->role, grant);
	view->view.own_port = PostPortNumber;
	view->view.nrules = 0;
	view->view.rules = MemoryContextAlloc(set->context, sizeof(JoEgressRule *) * (set->nrules + 1));
	for (int i = 0; i < set->nrules; i++)
		if (concerns(&set->rules[i], view->role))
			view->view.rules[view->view.nrules++] = &set->rules[i].rule;
	view->complete = true;
}

static RoleView *
get_view(Oid role)
{
	RuleSet    *set = get_set();
	bool		found;
	RoleView   *view = hash_search(set->views, &role, HASH_ENTER, &found);

	if (!found)
		view->complete = false;
	if (!view->complete)
		build_view(set, view);
	return view;
}

/* ---- what is refused ---- */

static const char *
scheme_word(unsigned scheme)
{
	switch (scheme)
	{
		case JO_SCHEME_HTTP:
			return "http";
		case JO_SCHEME_HTTPS:
			return "https";
		case JO_SCHEME_FTP:
			return "ftp";
		case JO_SCHEME_FTPS:
			return "ftps";
		case JO_SCHEME_SFTP:
			return "sftp";
		case JO_SCHEME_SMTP:
			return "smtp";
		case JO_SCHEME_SMTPS:
			return "smtps";
		default:
			return "file";
	}
}

static char *
role_text(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}

static void
keep_refusal(Oid role, unsigned scheme, const char *host, int port, const char *address, const char *why)
{
	memset(&last, 0, sizeof(last));
	last.role = role;
	strlcpy(last.role_name, role_text(role), sizeof(last.role_name));
	strlcpy(last.scheme, scheme == 0 ? "" : scheme_word(scheme), sizeof(last.scheme));
	strlcpy(last.host, host == NULL ? "" : host, sizeof(last.host));
	last.port = port;
	strlcpy(last.address, address == NULL ? "" : address, sizeof(last.address));
	strlcpy(last.why, why, sizeof(last.why));
	has_last = true;
}

bool
jo_egress_take_refusal(JoEgressRefusal *refusal)
{
	bool		has = has_last;

	*refusal = last;
	has_last = false;
	return has;
}

/* "SELECT joborch.allow_egress(...);" that would help. */
static char *
advise(Oid role, unsigned scheme, const char *host, int port, const char *more)
{
	int			usual;
	StringInfoData text;

	(void) jo_egress_scheme(scheme_word(scheme), &usual);
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT joborch.allow_egress(%s, %s", quote_literal_cstr(role_text(role)),
					 quote_literal_cstr(host));
	if (port != usual || port == PostPortNumber)
		appendStringInfo(&text, ", port => %d", port);
	appendStringInfo(&text, "%s);", more);
	return text.data;
}

static void
refuse_grant(Oid role)
{
	keep_refusal(role, 0, NULL, 0, NULL, "grant");
	ereport(ERROR,
			(errcode(ERRCODE_JO_EGRESS),
			 errmsg("role \"%s\" may not use the network", role_text(role)),
			 errdetail("It is no member of role \"joborch_network\"."),
			 errhint("An administrator can permit it: SELECT joborch.grant_usage(%s, network => true);",
					 quote_literal_cstr(role_text(role)))));
}

/* denier: the rule that denies, if that is known. */
static void
refuse_place(JoEgressVerdict verdict, Oid role, unsigned scheme, const char *host, int port,
			 const char *address, const JoEgressRule *denier)
{
	static const char *const why[] = {
		[JO_EGRESS_NO_RULE] = "no rule", [JO_EGRESS_DENIED] = "denied", [JO_EGRESS_ADDRESS] = "address"
	};
	char	   *reason = pstrdup("No rule of joborch.egress_rules allows it.");
	char	   *remedy;
	char	   *parsed;
	char	   *error;

	keep_refusal(role, scheme, host, port, address, why[verdict]);
	if (!jo_egress_parse_host(host, &parsed, &error, &remedy))
		reason = psprintf("The %s.", error);
	else if (verdict == JO_EGRESS_NO_RULE)
		remedy = psprintf("An administrator can allow it: %s", advise(role, scheme, parsed, port, ""));
	else if (verdict == JO_EGRESS_ADDRESS)
	{
		bool		named = address != NULL && strcmp(address, parsed) != 0;

		reason = psprintf("No rule allows its address%s%s, which must be one of the public internet or named by the rule.",
						  address != NULL ? " " : "", address != NULL ? address : "");
		remedy = psprintf("If that address is meant, an administrator can allow it: %s",
						  advise(role, scheme, parsed, port,
								 named ? psprintf(", addresses => '{%s}'", address) : ""));
	}
	else
	{
		reason = denier == NULL ? pstrdup("A rule denies it.") :
			psprintf("Rule %lld denies it.", (long long) denier->rule_id);
		remedy = denier == NULL ? pstrdup("See joborch.egress_rules.") :
			psprintf("An administrator can take the rule back: SELECT joborch.drop_egress(%lld);",
					 (long long) denier->rule_id);
	}
	ereport(ERROR,
			(errcode(ERRCODE_JO_EGRESS),
			 errmsg("role \"%s\" may not reach %s, port %d (%s)", role_text(role), host, port, scheme_word(scheme)),
			 errdetail_internal("%s", reason),
			 errhint("%s", remedy)));
}

/* ---- for the kinds of steps ---- */

const JoEgressView *
jo_egress_view_for(Oid role, MemoryContext holder)
{
	RoleView   *view = get_view(role);

	if (!view->network)
		refuse_grant(role);
	pin_set(current, holder);
	return &view->view;
}

const JoEgressRule *
jo_egress_require(const JoEgressView *view, Oid role, unsigned scheme, const char *host, int port)
{
	const JoEgressRule *rule;
	JoEgressVerdict verdict = jo_egress_check_host(view, scheme, host, port, &rule);

	if (verdict != JO_EGRESS_ALLOWED)
		refuse_place(verdict, role, scheme, host, port, NULL, rule);
	return rule;
}

void
jo_egress_require_insecure(const JoEgressView *view, Oid role, unsigned scheme, const char *host,
						   int port)
{
	if (jo_egress_allows_insecure(view, scheme, host, port))
		return;
	keep_refusal(role, scheme, host, port, NULL, "insecure");
	ereport(ERROR,
			(errcode(ERRCODE_JO_EGRESS),
			 errmsg("role \"%s\" may not leave the certificate of %s unchecked", role_text(role), host),
			 errdetail("No egress rule allows that for the host."),
			 errhint("Check certificates, or let an administrator allow it: %s",
					 advise(role, scheme, host, port, ", insecure => true"))));
}

/* As a socket address; false when the text is none. */
static bool
read_address(const char *text, int port, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *) address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) address;

	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
	{
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return true;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

void
jo_egress_refuse(JoEgressVerdict verdict, Oid role, unsigned scheme, const char *host, int port,
				 const char *address)
{
	const JoEgressRule *rule = NULL;
	const JoEgressView *view = &get_view(role)->view;
	struct sockaddr_storage connected;

	Assert(verdict != JO_EGRESS_ALLOWED);
	/* the transfer only knew that it was refused: if by a rule, by which? */
	if (address != NULL && read_address(address, port, &connected) &&
		jo_egress_check_address(view, scheme, host, port, (struct sockaddr *) &connected) == JO_EGRESS_DENIED)
		verdict = JO_EGRESS_DENIED;
	if (verdict == JO_EGRESS_DENIED &&
		jo_egress_check_host(view, scheme, host, port, &rule) != JO_EGRESS_DENIED &&
		(address == NULL || jo_egress_check_host(view, scheme, address, port, &rule) != JO_EGRESS_DENIED))
		rule = NULL;
	refuse_place(verdict, role, scheme, host, port, address, rule);
	pg_unreachable();
}

/* ---- the row and the log ---- */

#define LOG_SLOTS 64
#define LOG_INTERVAL (60 * USECS_PER_SEC)

/*
 * Of each cause a line a minute; causes share a fixed number of slots, so that hosts
 * that somebody makes up by the thousand do not fill the log.
 */
static void
tell_log(const JoEgressRefusal *refusal, int64 run_id, const char *step_name)
{
	static struct
	{
		TimestampTz since;
		int			silent;
	}			slots[LOG_SLOTS];
	uint32		cause = hash_combine(hash_combine(hash_bytes((const unsigned char *) refusal->why, strlen(refusal->why)),
												  hash_bytes((const unsigned char *) refusal->host, strlen(refusal->host))),
									 refusal->role ^ (uint32) refusal->port);
	int			slot = cause % LOG_SLOTS;
	TimestampTz now = GetCurrentTimestamp();
	int			silent;

	if (now - slots[slot].since < LOG_INTERVAL && now >= slots[slot].since)
	{
		slots[slot].silent++;
		return;
	}
	silent = slots[slot].silent;
	slots[slot].since = now;
	slots[slot].silent = 0;
	ereport(LOG,
			(errmsg("joborch: egress refused to role \"%s\": %s%s%s%s (%s)", refusal->role_name, refusal->scheme,
					refusal->host[0] != '\0' ? "://" : "network", refusal->host,
					refusal->port != 0 ? psprintf(":%d", refusal->port) : "", refusal->why),
			 errdetail("Run %lld, step \"%s\"%s%s. Similar ones since the last such line: %d.", (long long) run_id,
					   step_name, refusal->address[0] != '\0' ? ", address " : "", refusal->address, silent),
			 errhint("SELECT * FROM joborch.egress_refusals;"),
			 errhidestmt(true), errhidecontext(true)));
}

void
jo_egress_record_refusal(const JoEgressRefusal *refusal, int64 run_id, const char *step_name, int32 item)
{
	JoEgressRefusalRow row;

	memset(&row, 0, sizeof(row));
	row.refused_at = jo_clock_now();
	row.run_id = run_id;
	row.role = refusal->role;
	row.item = item;
	row.port = refusal->port;
	row.scheme = refusal->scheme;
	row.host = refusal->host;
	row.address = refusal->address[0] != '\0' ? refusal->address : NULL;
	row.why = refusal->why;
	row.role_name = refusal->role_name;
	row.step_name = step_name;
	jo_store_put_refusal(&row);
	tell_log(refusal, run_id, step_name);
}
