/** EX-9, EX-10 with `recordings.url = "s3://…"`: a real labd, a real agent, and an S3 server that may be away. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openClient, execute } from './harness/fleet/fleet-exec.ts';
import { waitFor } from './harness/fleet/look.ts';
import { type RunningAgent, type RunningLabd, startAgent, startLabd } from './harness/start-labd.ts';
import { S3Simulator } from './simulators/s3/s3-simulator.ts';

const s3 = new S3Simulator();
let labd: RunningLabd;
let agent: RunningAgent;

type Health = { recordings: { failing: boolean; archive: { state: string; why: string | null; waiting: number } } };
const archive = async () => (await labd.call<Health>('GET', '/health/detailed')).recordings.archive;
const files = () =>
  readdirSync(join(labd.folder, 'data', 'recordings'), { recursive: true }).filter((name) =>
    String(name).endsWith('.labrec'),
  );

beforeAll(async () => {
  const { accessKeyId, secretAccessKey, region } = s3.options;
  const toml = `[recordings]\nurl = "s3://lab/fleet"\nendpoint = "${s3.endpoint}"\nregion = "${region}"`;
  const variables = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  labd = await startLabd({ toml, variables, logLevel: 'info' });
  agent = await startAgent(labd, 'web-1', { logLevel: 'info' });
}, 90_000);
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await labd?.[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});

async function run(text: string): Promise<string> {
  await using client = openClient([{ socket: labd.socket }]);
  const ended = await execute(client, 'web-1', `echo ${text}`);
  expect(ended.exit?.code).toBe(0);
  const { items } = await labd.call<{ items: { id: string }[] }>('GET', '/api/sessions?limit=1');
  return items[0]?.id ?? '';
}
const play = async (session: string) =>
  (await fetch(`http://labd/api/sessions/${session}/recording`, { unix: labd.socket })).text();

test('a session while the bucket is there, and one while it is away: both are recorded, kept and played', async () => {
  const first = await run('one-there');
  await waitFor(() => s3.objects.size === 1, 20_000);
  await waitFor(() => files().length === 0);
  expect(await play(first)).toContain('one-there');
  await s3.away();
  const second = await run('two-away');
  await waitFor(async () => (await archive()).state === 'away', 20_000);
  expect((await archive()).waiting).toBe(1);
  expect(await play(second)).toContain('two-away');
  expect(await play(first)).toContain('the bucket, which is away');
  s3.back();
  await waitFor(() => s3.objects.size === 2, 20_000);
  await waitFor(async () => (await archive()).state === 'ok');
  expect(await play(second)).toContain('two-away');
  expect(await play(first)).toContain('one-there');
  const { items } = await labd.call<{ items: { action: string; result: string }[] }>(
    'GET',
    '/api/audit?action=exec.open',
  );
  expect(items.every(({ result }) => result === 'ok')).toBe(true);
}, 90_000);
