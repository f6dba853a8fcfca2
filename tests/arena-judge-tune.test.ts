/**
 * A judge is tuned by what people decided (verification AR17), asked with labctl, over an arena and an executor as processes
 * of their own: what was found is used by runs after a person approved of it, and not before. Level L0 needs no program.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeGateway } from '@labmesh/arena/generate/testing/fake-gateway';
import { readShown, verdictOf } from '@labmesh/arena/judges/testing/fake-judge-server';
import { addTriplets, goldTriplets } from '@labmesh/arena/pairs/testing/gold-triplets';
import { openStore } from '@labmesh/store/open-store';
import { openArenaDoor } from './harness/arena-door.ts';
import { LabctlHome, type LabctlProcess } from './harness/labctl-process.ts';

const token = `lmi_${'w'.repeat(43)}`;
const home = new LabctlHome();
const socket = join(home.folder, 'executor', 'x.sock');
const data = join(home.folder, 'arena');
const write = (name: string, text: string): string => {
  writeFileSync(join(home.folder, name), text, { mode: 0o600 });
  return join(home.folder, name);
};
/** What the judge was told, call by call. It agrees with people only where it is told of the shorter answer. */
const told: string[] = [];
const models = new FakeGateway((request, call) => {
  if (request.model !== 'judge') return { parts: [`\`\`\`json\n{"sum": ${call}}\n\`\`\``] };
  const { system, a } = readShown(request);
  told.push(system);
  return { parts: [system.includes('shorter') === a.startsWith('good') ? verdictOf(9, 1) : verdictOf(1, 9)] };
});
const processes: LabctlProcess[] = [];
let arenaUrl = '';
const gateway = openArenaDoor(token, () => arenaUrl);

async function start(program: 'lab-arena' | 'lab-executor', ...words: string[]): Promise<Record<string, unknown>> {
  const one = home.start(program, ...words);
  processes.unshift(one);
  await one.says('"ready":true');
  for (let tries = 0; tries < 1_200 && !one.stdout.includes('\n'); tries++) await Bun.sleep(50);
  return JSON.parse(one.stdout) as Record<string, unknown>;
}

beforeAll(async () => {
  mkdirSync(data, { mode: 0o700 });
  {
    // As people's labels make them; the arena's process has the file to itself later.
    await using store = await openStore({ url: `sqlite://${join(data, 'arena.db')}` });
    await addTriplets(store, goldTriplets(36));
  }
  await start('lab-executor', '--socket', socket, '--min-level', 'L0', '--pool', '1');
  const config = write(
    'arena.toml',
    '[arena.early_stop]\nenabled = false\n[arena.judge]\nkind = "llm"\nmodels = ["judge"]\n',
  );
  const files = ['--config', config, '--token-file', write('arena.key', `${token}\n`), '--data', data];
  const where = ['--gateway-url', models.url, '--listen', '127.0.0.1:0', '--executor-socket', socket];
  arenaUrl = `http://127.0.0.1:${Number((await start('lab-arena', ...files, ...where))['port'])}`;
}, 120_000);

afterAll(async () => {
  for (const one of processes) await one[Symbol.asyncDispose]();
  await gateway.stop(true);
  await models[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

const judge = (words: string, key = 'key-a') =>
  home.run('arena', 'judge', ...words.split(' '), '--api', `http://127.0.0.1:${gateway.port}/v1`, '--key', key);

/** A run of three valid answers. @returns what the judge was told in it, each once */
async function toldInRun(id: string, tenant = 'acme'): Promise<string[]> {
  told.length = 0;
  const block = { variations: 3, verifiers: ['json_schema'], certificate: false, correction: false };
  const body = {
    requestId: id,
    tenant,
    key: 'key-a',
    mode: 'intercept',
    deadlineMs: Date.now() + 110_000,
    request: { model: 'm', messages: [{ role: 'user', content: `sum ${id}` }] },
    block: { ...block, expected_schema: { type: 'object' } },
  };
  const headers = { authorization: `Bearer ${token}`, 'x-labmesh-tenant': tenant, 'x-labmesh-key': 'key-a' };
  const response = await fetch(`${arenaUrl}/v1/runs`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  await response.text();
  expect(told.length).toBeGreaterThan(0);
  return [...new Set(told)];
}

test('few gold pairs: how many are missing; then found, approved, used by later runs, and taken back', async () => {
  expect((await judge('tune')).exitCode).toBe(2);
  const few = await judge('tune judge', 'key-b');
  expect(few.exitCode).not.toBe(0);
  expect(few.stderr).toContain('30 are missing: labctl datasets label');
  const tuned = await judge('tune judge');
  expect([tuned.exitCode, tuned.stderr]).toEqual([0, expect.any(String)]);
  expect(tuned.stdout).toContain('better beyond chance');
  expect(tuned.stdout).toContain('24 gold comparisons to choose by, 12 held out');
  const prompt = /approve judge ([0-9a-f]{64})/.exec(tuned.stdout)?.[1] ?? '';
  for (const one of await toldInRun('before')) expect(one).not.toContain('shorter');

  expect((await judge(`approve judge ${'0'.repeat(64)}`)).exitCode).not.toBe(0);
  expect((await judge(`approve judge ${prompt}`, 'key-b')).exitCode).not.toBe(0);
  const approved = await judge(`approve judge ${prompt}`);
  expect(approved).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('judge is told: Compare two answers'),
  });
  for (const one of await toldInRun('after')) expect(one).toContain('shorter');
  for (const one of await toldInRun('theirs', 'globex')) expect(one).not.toContain('shorter');
  const listed = await judge('list --json');
  expect(JSON.parse(listed.stdout)).toMatchObject({ approved: [{ model: 'judge', prompt, approvedBy: 'key-a' }] });
  expect((await judge('list')).stdout).toContain('FOUND DIGEST');

  expect(await judge('approve judge usual')).toMatchObject({ exitCode: 0, stdout: 'judge is told: the usual\n' });
  for (const one of await toldInRun('back')) expect(one).not.toContain('shorter');
}, 180_000);
