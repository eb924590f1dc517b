-- Who may do what.  Nothing is granted to PUBLIC, no base table to anybody.

REVOKE ALL ON ALL ROUTINES IN SCHEMA joborch, joborch_internal FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA joborch, joborch_internal FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA joborch_internal FROM PUBLIC;

GRANT USAGE ON SCHEMA joborch TO joborch_user;
GRANT SELECT ON ALL TABLES IN SCHEMA joborch TO joborch_user;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA joborch TO joborch_user;

-- These ask the caller's role themselves; without the grant they say so sooner.
REVOKE EXECUTE ON FUNCTION joborch."check"(), joborch.create_queue(text) FROM joborch_user;
GRANT EXECUTE ON FUNCTION joborch."check"(), joborch.create_queue(text) TO joborch_operator;
REVOKE EXECUTE ON FUNCTION joborch.adopt_database(), joborch.rotate_secret_key(), joborch.grant_usage(text, boolean), joborch.revoke_usage(text, boolean),
	joborch.allow_egress(text, text, integer, integer, text, text[], boolean, integer, text, text),
	joborch.deny_egress(text, text, integer, integer, text, text[], text), joborch.drop_egress(bigint) FROM joborch_user;
GRANT EXECUTE ON FUNCTION joborch.adopt_database(), joborch.rotate_secret_key(), joborch.grant_usage(text, boolean), joborch.revoke_usage(text, boolean),
	joborch.allow_egress(text, text, integer, integer, text, text[], boolean, integer, text, text),
	joborch.deny_egress(text, text, integer, integer, text, text[], text), joborch.drop_egress(bigint) TO joborch_admin;

-- Programs that claim steps need no more than this, and the queues that grant_queue() says;
-- who only answers a request that was sent needs no queue.
GRANT USAGE ON SCHEMA joborch TO joborch_worker;
GRANT EXECUTE ON FUNCTION
	joborch.claim_steps(text, text, integer, interval, interval),
	joborch.extend_claim(text, interval),
	joborch.complete_claim(text, jsonb),
	joborch.fail_claim(text, text, boolean, jsonb),
	joborch.release_claim(text),
	joborch.set_claim_external_id(text, text)
TO joborch_worker;
REVOKE EXECUTE ON FUNCTION joborch.grant_queue(text, text), joborch.revoke_queue(text, text) FROM joborch_user;
GRANT EXECUTE ON FUNCTION joborch.grant_queue(text, text), joborch.revoke_queue(text, text) TO joborch_admin;

-- What views and builders call runs with the rights of who asks.  Only they can
-- reach these: their schema is closed.
GRANT EXECUTE ON FUNCTION
	joborch_internal.now(),
	joborch_internal.run_state(bigint, integer, boolean, timestamptz),
	joborch_internal.steps_of_run(bigint),
	joborch_internal.full_output("char", jsonb),
	joborch_internal.workers(),
	joborch_internal.waiting(),
	joborch_internal.definition_steps(jsonb),
	joborch_internal.version_steps(bigint),
	joborch_internal.wait_words(bigint, integer, "char", text, timestamptz, bigint, text),
	joborch_internal.caller(),
	joborch_internal.may_control(oid, text),
	joborch_internal.may_decide(oid, text, text[]),
	joborch_internal.approvers_text(text, text[]),
	joborch_internal.signal_word("char"),
	joborch_internal.json_or_text(text),
	joborch_internal.number_or_text(text),
	joborch_internal.step_list(jsonb),
	joborch_internal.build_step(text, text, jsonb, jsonb),
	joborch_internal.error_classes(),
	joborch_internal.status_word("char"),
	joborch_internal.overlap_word("char"),
	joborch_internal.fire_word("char"),
	joborch_internal.schedule_words(jsonb),
	joborch_internal.schedule_times(jsonb, bigint, timestamptz, timestamptz, integer),
	joborch_internal.priority_word(smallint),
	joborch_internal.dependency_word("char")
TO joborch_user;

-- ---- the second wall ----
--
-- Should anybody be granted a table by mistake, he sees there what he sees in the views.

ALTER TABLE joborch_internal.instance ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.job_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.input_template ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.run ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.live ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.step ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.ends ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.attempt ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.marks ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.wait ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.signal ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.item_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.step_cache ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.permit ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.artifact ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.artifact_chunk ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.work_group ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.offer ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.claim ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.external_ref ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.queue_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.run_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.run_dependency ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.batch_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.after_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.after_parent ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.after_mark ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.change_trigger ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.egress_rule ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.egress_refusal ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.secret_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.schedule ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.schedule_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.schedule_fire ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.cron_job ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.cron_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.cron_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE joborch_internal.event ENABLE ROW LEVEL SECURITY;

CREATE POLICY seen ON joborch_internal.queue FOR SELECT USING (true);
CREATE POLICY seen ON joborch_internal.job FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.job_version FOR SELECT USING (joborch.visible(owner, NULL));
CREATE POLICY seen ON joborch_internal.input_template FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.job j WHERE j.job_id = input_template.job_id));
CREATE POLICY seen ON joborch_internal.run FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.live FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = live.run_id));
CREATE POLICY seen ON joborch_internal.step FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = step.run_id));
CREATE POLICY seen ON joborch_internal.ends FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = ends.run_id));
CREATE POLICY seen ON joborch_internal.attempt FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = attempt.run_id));
CREATE POLICY seen ON joborch_internal.timers FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = timers.run_id));
CREATE POLICY seen ON joborch_internal.marks FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = marks.run_id));
CREATE POLICY seen ON joborch_internal.wait FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = wait.run_id));
CREATE POLICY seen ON joborch_internal.signal FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = signal.run_id));
CREATE POLICY seen ON joborch_internal.item_chunk FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = item_chunk.run_id));
CREATE POLICY seen ON joborch_internal.step_cache FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.job j WHERE j.job_id = step_cache.job_id));
CREATE POLICY seen ON joborch_internal.permit FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = permit.run_id));
CREATE POLICY seen ON joborch_internal.artifact FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.artifact_chunk FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.artifact a WHERE a.artifact_id = artifact_chunk.artifact_id));
CREATE POLICY seen ON joborch_internal.work_group FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.offer FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = offer.run_id));
CREATE POLICY seen ON joborch_internal.claim FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = claim.run_id));
CREATE POLICY seen ON joborch_internal.external_ref FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = external_ref.run_id));
CREATE POLICY seen ON joborch_internal.queue_grant FOR SELECT USING (true);
CREATE POLICY seen ON joborch_internal.run_key FOR SELECT USING (joborch.visible(owner, NULL));
CREATE POLICY seen ON joborch_internal.run_dependency FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = run_dependency.run_id));
CREATE POLICY seen ON joborch_internal.batch_run FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = batch_run.run_id));
CREATE POLICY seen ON joborch_internal.after_rule FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.after_parent FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.after_rule a WHERE a.rule_id = after_parent.rule_id));
CREATE POLICY seen ON joborch_internal.after_mark FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.after_rule a WHERE a.rule_id = after_mark.rule_id));
CREATE POLICY seen ON joborch_internal.change_trigger FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.secret FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.secret_grant FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.secret s WHERE s.name = secret_grant.name));
CREATE POLICY seen ON joborch_internal.egress_rule FOR SELECT USING (everyone OR joborch.visible(role, NULL));
CREATE POLICY seen ON joborch_internal.egress_refusal FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = egress_refusal.run_id));
CREATE POLICY seen ON joborch_internal.schedule FOR SELECT USING (joborch.visible(owner, tenant));
CREATE POLICY seen ON joborch_internal.schedule_state FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.schedule s WHERE s.schedule_id = schedule_state.schedule_id));
CREATE POLICY seen ON joborch_internal.schedule_fire FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.schedule s WHERE s.schedule_id = schedule_fire.schedule_id));
CREATE POLICY seen ON joborch_internal.cron_job FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.schedule s WHERE s.schedule_id = cron_job.schedule_id));
CREATE POLICY seen ON joborch_internal.cron_link FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.schedule s WHERE s.schedule_id = cron_link.schedule_id));
CREATE POLICY seen ON joborch_internal.cron_history FOR SELECT USING (username = current_user);
CREATE POLICY seen ON joborch_internal.event FOR SELECT
	USING (EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = event.run_id)
		OR EXISTS (SELECT FROM joborch_internal.job j WHERE j.job_id = event.job_id));

