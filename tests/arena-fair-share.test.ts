/**
 * One tenant that floods, over an arena and an executor as processes of their own (verification RP8, SB4). Starts are
 * counted, not time: how fast the machine is changes nothing. Level L0 needs no program, so nothing is left out anywhere.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeGateway } from '@labmesh/arena/generate/testing/fake-gateway';
import { executorClient } from '@labmesh/link/calls/executor-client';
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';
import { LabctlHome, type LabctlProcess } from './harness/labctl-process.ts';

const floodRuns = 50;
const atOnce = 2;
const token = `lmi_${'f'.repeat(43)}`;

const home = new LabctlHome();
const socket = join(home.folder, 'executor', 'x.sock');
const started: LabctlProcess[] = [];
const gate = Promise.withResolvers<void>();
// Answers come when all runs are in the line: those that began first hold every slot until then.
const gateway = new FakeGateway(() => ({ parts: ['```json\n{"sum": 3}\n```'], after: gate.promise }));
let arenaUrl = '';

const write = (name: string, text: string): string => {
  writeFileSync(join(home.folder, name), text, { mode: 0o600 });
  return join(home.folder, name);
};

async function start(...words: string[]): Promise<Record<string, unknown>> {
  const process = home.start(...words);
  started.push(process);
  await process.says('"ready":true');
  // The log says the word too.
  await until(() => process.stdout.includes('\n'), 'the line on stdout');
  return JSON.parse(process.stdout) as Record<string, unknown>;
}

beforeAll(async () => {
  await start('lab-executor', '--socket', socket, '--min-level', 'L0', '--pool', '1');
  const settings = ['[arena]', `runs_at_once = ${atOnce}`, '[arena.limits]', `tenant_runs = ${floodRuns}`, ''];
  const config = write('arena.toml', settings.join('\n'));
  const files = ['--token-file', write('arena.key', `${token}\n`), '--data', join(home.folder, 'arena')];
  const where = ['--gateway-url', gateway.url, '--listen', '127.0.0.1:0', '--executor-socket', socket];
  const ready = await start('lab-arena', '--config', config, ...files, ...where);
  arenaUrl = `http://127.0.0.1:${Number(ready['port'])}`;
}, 120_000);

afterAll(async () => {
  for (const process of started.toReversed()) await process[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 6_000; tries++) {
    if (await holds()) return;
    await Bun.sleep(10);
  }
  throw new Error(`${what} did not come to hold`);
}

/** Events of a run as they come, asked for as the gateway asks. */
async function* run(tenant: string, id: string): AsyncGenerator<ArenaEvent> {
  const block = { variations: 1, verifiers: ['json_schema'], certificate: false, expected_schema: { type: 'object' } };
  const whose = { requestId: id, tenant, key: `key-${tenant}`, mode: 'intercept', deadlineMs: Date.now() + 110_000 };
  const request = { model: 'm', messages: [{ role: 'user', content: `add 1 and 2 for ${id}` }] };
  const response = await fetch(`${arenaUrl}/v1/runs`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'x-labmesh-tenant': tenant,
      'x-labmesh-key': whose.key,
    },
    body: JSON.stringify({ ...whose, request, block: { ...block, metadata: { id } } }),
  });
  let rest = '';
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as ArenaEvent;
  }
}

/** Follows a run; what is told and when is kept by name, in the order of all runs. */
async function follow(order: string[], tenant: string, id: string): Promise<string> {
  for await (const event of run(tenant, id)) {
    if (event.event === 'accepted') order.push(`accepted ${tenant}`);
    if (event.event !== 'result' && event.event !== 'error') continue;
    order.push(`ended ${tenant}`);
    return event.event === 'result' ? event.report.status : event.code;
  }
  return 'broken off';
}
const count = (order: readonly string[], what: string) => order.filter((one) => one === what).length;

test('50 runs of one tenant: the one run of another begins after at most as many of them as run at once', async () => {
  const order: string[] = [];
  const flood = Array.from({ length: floodRuns }, (_, at) => follow(order, 'a', `a-${at}`));
  await until(() => count(order, 'accepted a') === floodRuns && gateway.heard.length === atOnce, 'the flood');
  const other = follow(order, 'b', 'b-0');
  await until(() => count(order, 'accepted b') === 1, 'the other run');
  expect(gateway.heard).toHaveLength(atOnce);
  gate.resolve();
  expect(await other).toBe('valid');
  const endedBefore = count(order, 'ended a');
  const starts = gateway.heard.map(({ headers }) => headers.get('x-labmesh-tenant'));
  expect(starts.indexOf('b') - atOnce).toBeLessThanOrEqual(atOnce);
  // In the order of arrival nearly all of the others would have ended before it.
  expect(endedBefore).toBeLessThan(floodRuns / 2);
  expect(new Set(await Promise.all(flood))).toEqual(new Set(['valid']));
}, 180_000);

test('50 jobs of one group at the executor: the one job of another is next or the one after', async () => {
  const executor = executorClient({ socketPath: socket });
  await until(async () => (await executor.pool()).inUse === 0, 'an empty pool');
  const holding = new AbortController();
  const endless = {
    language: 'javascript' as const,
    code: 'while (true);',
    limits: { wallMs: 120_000, cpuMs: 120_000 },
  };
  const job = (group: string) => ({
    minLevel: 'SANDBOX_L0_WASM' as const,
    language: 'javascript' as const,
    code: '1',
    group,
  });
  const held = executor.run({ ...job('a'), ...endless }, holding.signal).catch((error: Error) => error.name);
  await until(async () => (await executor.pool()).inUse === 1, 'the first job');
  const order: string[] = [];
  const submit = async (group: string) => {
    const { exit } = await executor.run(job(group));
    order.push(group);
    return exit;
  };
  const flood = Array.from({ length: floodRuns }, () => submit('a'));
  await until(async () => (await executor.pool()).waiting === floodRuns, 'the flood');
  const other = submit('b');
  await until(async () => (await executor.pool()).waiting === floodRuns + 1, 'the other job');
  holding.abort();
  expect(await held).toBe('AbortError');
  expect(new Set(await Promise.all([...flood, other]))).toEqual(new Set(['ok']));
  // Answers come over connections of their own: a few may overtake each other on the way.
  expect(order.indexOf('b')).toBeLessThan(5);
  expect(await executor.pool()).toMatchObject({ available: 1, waiting: 0 });
}, 180_000);
