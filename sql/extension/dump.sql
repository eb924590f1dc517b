-- What pg_dump takes: definitions, queues, and the unfinished runs with all that
-- they need to go on, ended children that a parent still waits for among it.  The
-- history stays behind.  The row in instance makes the restored copy wait for
-- joborch.adopt_database().

SELECT pg_catalog.pg_extension_config_dump('joborch_internal.instance', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.queue', 'WHERE queue_id <> 1');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.job', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.job_version', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.input_template', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.run', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l UNION ALL SELECT w.child FROM joborch_internal.wait w)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.live', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.ends', 'WHERE run_id IN (SELECT w.child FROM joborch_internal.wait w)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.step', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l UNION ALL SELECT w.child FROM joborch_internal.wait w)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.attempt', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.timers', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.wait', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.signal', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.item_chunk', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.work_group', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.offer', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.claim', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.external_ref', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.queue_grant', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.run_key', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.run_dependency', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.batch_run', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.after_rule', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.after_parent', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.after_mark', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.change_trigger', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.after_rule_rule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.change_trigger_trigger_id_seq', '');
-- Encrypted: of use only with the key file, which is in no dump.
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.secret', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.secret_grant', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.egress_rule', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.artifact', 'WHERE run_id IN (SELECT l.run_id FROM joborch_internal.live l)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.artifact_chunk', 'WHERE artifact_id IN (SELECT a.artifact_id FROM joborch_internal.artifact a JOIN joborch_internal.live l ON l.run_id = a.run_id)');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.schedule', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.schedule_state', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.schedule_fire', 'WHERE outcome = ''b''');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.cron_job', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.cron_link', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.cron_history', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.artifact_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.run_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.egress_rule_rule_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.queue_queue_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.job_job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.job_version_version_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.event_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.signal_signal_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('joborch_internal.schedule_schedule_id_seq', '');

