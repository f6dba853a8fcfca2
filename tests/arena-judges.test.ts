/** A model is tried as judge through the real gateway (verification AR13); one that knows nothing is not called fit. */
import { afterAll, describe, expect, test } from 'bun:test';
import { llamaInstalled } from '@labmesh/portman/testing/needs-llama';
import { LabctlHome, type LabctlProcess } from './harness/labctl-process.ts';
import { verificationMissing } from './harness/verification-missing.ts';

const needs = llamaInstalled ? verificationMissing : 'node-llama-cpp';
const home = new LabctlHome();
let labctl: LabctlProcess | undefined;
afterAll(async () => {
  await labctl?.[Symbol.asyncDispose]();
  home[Symbol.dispose]();
});

describe.skipIf(needs !== undefined)(`judges of a running arena (needs ${needs ?? 'nothing more'})`, () => {
  test('labctl arena judge: none yet, a check of the demo model, and what is known after a restart', async () => {
    const first = await home.up('--only', 'gateway,engine,arena', '--demo', '--no-discovery');
    labctl = first.labctl;
    const run = (...words: string[]) => home.run('arena', 'judge', ...words, '--data', home.data);
    expect(await run('list')).toMatchObject({ exitCode: 0, stdout: 'no judge was asked yet\n' });
    expect((await run('check')).exitCode).toBe(2);
    const model = first.ready.models[0]?.id ?? '';
    // It writes no JSON, so that each match is void: nothing can be said of it.
    const checked = await run('check', model);
    expect(checked).toMatchObject({ exitCode: 3, stdout: expect.stringContaining(`${model}: unknown`) });
    const listed = await run('list', '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject({ judges: [], checks: [{ model, state: 'unknown', decided: 0 }] });

    await labctl[Symbol.asyncDispose]();
    labctl = (await home.up('--only', 'gateway,engine,arena', '--demo', '--no-discovery')).labctl;
    expect(await run('list')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('unknown') });
  }, 180_000);
});
