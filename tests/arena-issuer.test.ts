/** The issuer takes back what an arena signed while it runs, over the socket in its folder (verification CT7). */
import { afterAll, describe, expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { llamaInstalled } from '@labmesh/portman/testing/needs-llama';
import { tinyPrompts, tinySuite, tinyTasks } from './arena/tiny-tasks.ts';
import { LabctlHome, type LabctlProcess, type Ready } from './harness/labctl-process.ts';
import { verificationMissing } from './harness/verification-missing.ts';

const needs = llamaInstalled ? verificationMissing : 'node-llama-cpp';
const [task] = tinyTasks;
if (task === undefined) throw new Error('no tasks');
const suite = tinySuite(task);
const [prompt] = tinyPrompts(task);

const home = new LabctlHome();
let labctl: LabctlProcess | undefined;
afterAll(async () => {
  await labctl?.[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

type Report = { status: string; run_id: string; certificate_id: string; cached?: boolean };

async function ask({ api, key, models }: Ready): Promise<Report | undefined> {
  const response = await fetch(`${api}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-labmesh-cache': 'no-store' },
    body: JSON.stringify({
      model: models[0]?.id,
      messages: [{ role: 'user', content: prompt }],
      max_tokens: 44,
      verification: { mode: 'intercept', suite: suite.id, metadata: { language: 'python' }, variations: 3 },
    }),
  });
  return ((await response.json()) as { verification?: Report }).verification;
}

/** The tiny model is right often, and not always. */
async function valid(ready: Ready, unlike = ''): Promise<Report> {
  for (const end = performance.now() + 60_000; performance.now() < end;) {
    const found = await ask(ready);
    if (found?.status === 'valid' && found.run_id !== unlike) return found;
  }
  throw new Error('no answer was valid');
}

/** Exit code of the check of a run's certificate, by what the arena gives to anybody with a key. */
async function verdict(run: string): Promise<number> {
  const file = await home.run('arena', 'certificate', run, '--out', home.folder, '--data', home.data);
  expect(file).toMatchObject({ exitCode: 0 });
  const given = ['--trust', 'trust.json', '--revocations', 'revocations.json'];
  return (await home.run('cert', 'verify', file.stdout.trim(), ...given)).exitCode;
}

async function json(...words: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await home.run(...words, '--json', '--data', home.data);
  expect({ words, exitCode, stderr }).toMatchObject({ exitCode: 0 });
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function inForce(): Promise<string> {
  const { keys } = (await json('cert', 'keys', 'list')) as { keys: Record<string, string>[] };
  return keys.find(({ usage, state }) => usage === 'certificate' && state === 'in force')?.['keyid'] ?? '';
}

describe.skipIf(needs !== undefined)(`the issuer of a running arena (needs ${needs ?? 'nothing more'})`, () => {
  test('ends a key, and all that a verifier said; nothing is stopped for it', async () => {
    const up = await home.up('--only', 'gateway,engine,arena', '--demo', '--no-discovery');
    labctl = up.labctl;
    writeFileSync(join(home.folder, 'suite.json'), JSON.stringify(suite));
    expect(await home.run('arena', 'suites', 'put', 'suite.json', '--data', home.data)).toMatchObject({ exitCode: 0 });
    const first = await valid(up.ready);
    expect(await verdict(first.run_id)).toBe(0);

    const key = await inForce();
    const ended = await json('cert', 'keys', 'revoke', key, '--reason', 'key_compromise', '--since', '1h', '--yes');
    const next = await inForce();
    expect(next).toMatch(/^[0-9a-f]{64}$/);
    expect(ended).toMatchObject({ keyid: key, next });
    expect(next).not.toBe(key);
    expect(await verdict(first.run_id)).toBe(5);
    const second = await valid(up.ready, first.run_id);
    expect(await verdict(second.run_id)).toBe(0);

    const bundle = readFileSync(join(home.folder, `${second.certificate_id}.labcert`), 'utf8');
    const { statement } = JSON.parse(bundle) as {
      statement: { predicate: { labmesh: { verifiers: { digest: string }[] } } };
    };
    const digest = statement.predicate.labmesh.verifiers[0]?.digest ?? '';
    await json('cert', 'revoke', digest, '--verifier', '--reason', 'verifier_bug', '--yes');
    expect(await verdict(second.run_id)).toBe(5);
    // The log that the arena writes has both, and is whole.
    expect((await json('cert', 'log', 'verify'))['size']).toBeGreaterThanOrEqual(4);
  }, 180_000);
});
