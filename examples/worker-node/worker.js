#!/usr/bin/env node
// A worker for external steps of joborch, with node-postgres (npm: pg, Debian: node-pg).
//
//     worker.js --queue mail --name press-1 --concurrency 4 --lease 60
//
// PGHOST, PGDATABASE and so on say where.  It carries out several steps at a time, each as
// handle() says, and hears by LISTEN that there is more.  SIGTERM lets the steps in hand
// end and then stops.
'use strict';

const os = require('os');
const { Client, Pool } = require('pg');

// Thrown by handle() for what another try would not mend.
class Refused extends Error {}

// Your work.  Returns the step's output, or throws what went wrong.  What is written through
// this client is committed together with the step's completion: exactly once, or not at all.
// Everything else is done at least once, since a worker can die after the work and before
// it has said so.
async function handle(step, client) {
  const payload = step.request.payload;

  if (payload === null || typeof payload !== 'object' || typeof payload.text !== 'string')
    throw new Refused('the payload has no "text"');
  if (payload.milliseconds > 0)
    await new Promise((resolve) => setTimeout(resolve, payload.milliseconds));
  if (payload.table)
    await client.query(`INSERT INTO ${client.escapeIdentifier(payload.table)} VALUES ($1)`, [payload.text]);
  return { text: payload.text.toUpperCase(), worker: options.name };
}

const options = { queue: 'default', name: os.hostname(), concurrency: 1, lease: 60 };
const pause = 20000; // ms; then it looks even if nothing was told

function readOptions(words) {
  for (let i = 0; i < words.length; i += 2) {
    const key = words[i].replace(/^--/, '');

    if (!(key in options) || words[i + 1] === undefined)
      throw new Error(`usage: worker.js [--${Object.keys(options).join(' VALUE] [--')} VALUE]`);
    options[key] = typeof options[key] === 'number' ? Number(words[i + 1]) : words[i + 1];
  }
}

function log(text) {
  console.log(`${new Date().toISOString()} ${text}`);
}

// ---- one step ----

async function fail(pool, step, error) {
  log(`step ${step.step} failed: ${error.message}`);
  try {
    await pool.query('SELECT joborch.fail_claim($1, $2, retryable => $3, details => $4)',
      [step.token, error.message, error instanceof Refused ? false : null, JSON.stringify({ exception: error.name })]);
  } catch (refusal) {
    log(`it cannot be told: ${refusal.message}`);
  }
}

async function carryOut(pool, step) {
  const client = await pool.connect();
  const keeper = setInterval(() => {
    pool.query('SELECT joborch.extend_claim($1)', [step.token])
      .catch((error) => log(`could not extend the claim: ${error.message}`));
  }, options.lease * 1000 / 3);
  let broken = false;

  log(`run ${step.run_id}, step ${step.step}, attempt ${step.attempt}`);
  try {
    await client.query('BEGIN');
    const output = await handle(step, client);
    await client.query('SELECT joborch.complete_claim($1, $2)', [step.token, JSON.stringify(output)]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => { broken = true; });
    if (error.code === 'JO044')
      log('the claim was lost; its work is rolled back');
    else
      await fail(pool, step, error);
  } finally {
    clearInterval(keeper);
    client.release(broken);
  }
}

// ---- the worker ----

class Worker {
  constructor() {
    // one connection more than steps, for claims and extensions
    this.pool = new Pool({ max: options.concurrency + 1 });
    this.pool.on('error', (error) => log(`a connection was lost: ${error.message}`));
    this.inHand = new Set();
    this.stopping = false;
    this.told = false;
    this.wake = () => {};
  }

  nudge() {
    this.told = true;
    this.wake();
  }

  stop() {
    this.stopping = true;
    this.nudge();
  }

  // Tells when something is offered; one that is lost is made anew.
  async listen() {
    const client = new Client();

    client.on('notification', (message) => {
      const { queue } = JSON.parse(message.payload);

      if (queue === null || queue === options.queue)
        this.nudge();
    });
    client.on('error', () => {});
    client.on('end', () => {
      if (!this.stopping)
        setTimeout(() => this.listen(), 2000);
    });
    try {
      await client.connect();
      await client.query('LISTEN joborch_work');
      this.listener = client;
      // what came while nobody listened
      this.nudge();
    } catch (error) {
      log(`cannot listen: ${error.message}`);
      client.end().catch(() => {});
    }
  }

  async claim() {
    const free = options.concurrency - this.inHand.size;

    if (free <= 0)
      return 0;
    const { rows } = await this.pool.query(
      'SELECT * FROM joborch.claim_steps($1, $2, n => $3, lease => make_interval(secs => $4))',
      [options.queue, options.name, free, options.lease]);

    for (const step of rows) {
      const work = carryOut(this.pool, step)
        .catch((error) => log(`step ${step.step}: ${error.message}`))
        .finally(() => { this.inHand.delete(work); this.nudge(); });

      this.inHand.add(work);
    }
    return rows.length;
  }

  async rest() {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);

      this.wake = () => { clearTimeout(timer); resolve(); };
      if (this.told)
        this.wake();
    });
  }

  async run() {
    await this.listen();
    while (!this.stopping) {
      this.told = false;
      await this.claim().catch((error) => log(`cannot claim: ${error.message}`));
      await this.rest();
    }
    await Promise.all(this.inHand);
    if (this.listener)
      await this.listener.end();
    await this.pool.end();
  }
}

readOptions(process.argv.slice(2));
const worker = new Worker();

process.on('SIGTERM', () => worker.stop());
process.on('SIGINT', () => worker.stop());
worker.run().catch((error) => { console.error(error.message); process.exit(1); });
