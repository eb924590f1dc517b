/*
 * specnext.c
 *		The next time of a spec: of all its entries, but for what is left out.
 *
 * Nothing is remembered from one call to the next but days of rules, so calls in any order find the
 * same times.
 */
#include "joborch.h"

#include "specparts.h"

#include "cronzone.h"
#include "miscadmin.h"

#define LONGEST_SEARCH (JO_TIMESPEC_YEARS * 366 * USECS_PER_DAY)

static TimestampTz
next_of_entry(const JoTimeSpec *spec, const JoSpecEntry *entry, TimestampTz after)
{
	switch (entry->kind)
	{
		case JO_SPEC_CRON:
			return jo_cron_next_in_zone(&entry->cron, spec->zone, after);
		case JO_SPEC_EVERY:
			return jo_every_next(&entry->every, spec->zone, after);
		case JO_SPEC_AT:
			{
				int			above = jo_spectime_above(entry->at, entry->n_at, after);

				return above < entry->n_at ? entry->at[above] : DT_NOEND;
			}
		case JO_SPEC_RULE:
			return jo_rule_next(entry->rule, after);
	}
	return DT_NOEND;
}

/* Until when an instant is left out; 0: it is not. */
static TimestampTz
left_out_until(const JoTimeSpec *spec, TimestampTz at)
{
	TimestampTz latest = 0;

	for (int i = 0; i < spec->n_excludes; i++)
	{
		TimestampTz until = jo_exclude_until(&spec->excludes[i], spec->zone, at);

		if (until != 0 && (latest == 0 || until > latest))
			latest = until;
	}
	return latest;
}

TimestampTz
jo_timespec_next(JoTimeSpec *spec, TimestampTz after)
{
	TimestampTz horizon = DT_NOEND;
	TimestampTz earliest = spec->starts_at;
	bool		finish = jo_timespec_after_finish(spec);

	if (after < spec->starts_at)
		after = spec->starts_at - 1;
	for (int step = 0; step < JO_TIMESPEC_STEPS; step++)
	{
		TimestampTz next = DT_NOEND;
		TimestampTz until;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < spec->n_entries; i++)
			next = Min(next, next_of_entry(spec, &spec->entries[i], after));
		next = Max(next, earliest);
		if (next == DT_NOEND || next > spec->ends_at || next > horizon)
			break;
		until = left_out_until(spec, next);
		if (until == 0)
			return next;
		/* many years from the first one that was left out */
		if (horizon == DT_NOEND && next < END_TIMESTAMP - LONGEST_SEARCH)
			horizon = next + LONGEST_SEARCH;
		/* what waits for a run's end fires as soon as it may again */
		if (finish)
			earliest = until;
		else
			after = until - 1;
	}
	return DT_NOEND;
}

/* Every bit of the input decides about every bit of the result (the finalizer of MurmurHash3). */
static uint64
mix(uint64 bits)
{
	bits = (bits ^ bits >> 33) * UINT64CONST(0xff51afd7ed558ccd);
	bits = (bits ^ bits >> 33) * UINT64CONST(0xc4ceb9fe1a85ec53);
	return bits ^ bits >> 33;
}

/* The same in every process, on every machine and after every restart. */
TimestampTz
jo_timespec_fire_time(const JoTimeSpec *spec, int64 schedule_id, TimestampTz nominal)
{
	uint64		hash;

	if (spec->jitter == 0)
		return nominal;
	hash = mix(mix((uint64) schedule_id) ^ (uint64) nominal);
	/* at most a day, 37 bits: the product of that and 26 bits fits */
	return nominal + (int64) ((hash >> 38) * (uint64) spec->jitter >> 26);
}

bool
jo_timespec_after_finish(const JoTimeSpec *spec)
{
	/* such an entry stands alone */
	return spec->entries[0].kind == JO_SPEC_EVERY && spec->entries[0].every.finish;
}

bool
jo_timespec_at_boot(const JoTimeSpec *spec)
{
	for (int i = 0; i < spec->n_entries; i++)
		if (spec->entries[i].kind == JO_SPEC_CRON && spec->entries[i].cron.reboot)
			return true;
	return false;
}

const JoZone *
jo_timespec_zone(const JoTimeSpec *spec)
{
	return spec->zone;
}
