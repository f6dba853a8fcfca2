import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseOptions } from '@labmesh/kit/options';
import { CommandError } from './command-error.ts';
import { defineFleetCommand, type FleetCall } from './fleet-command.ts';
import { fleetOptions } from './fleet-options.ts';
import { type TestWorld, testWorld } from './testing/test-world.ts';

const home = mkdtempSync(join(tmpdir(), 'labctl-fleet-'));
afterAll(() => rmSync(home, { recursive: true }));
beforeEach(() => {
  rmSync(join(home, '.labctl'), { recursive: true, force: true });
  mkdirSync(join(home, '.labctl'));
});
const config = (text: string) => writeFileSync(join(home, '.labctl/config.yaml'), text, { mode: 0o600 });
const options = { force: { type: 'boolean', flag: 'force', default: false, help: '' } } as const;

/** What a command is given for these words. */
async function callOf(words: string, world: TestWorld = testWorld({ env: { HOME: home } }), newContext?: true) {
  let found: FleetCall<typeof options> | undefined;
  const command = defineFleetCommand({
    name: 'x',
    summary: '',
    usage: '',
    examples: [],
    positionalsMax: 1,
    options,
    ...(newContext !== undefined && { newContext }),
    run: async (call) => void (found = call),
  });
  const { values, positionals, sources } = parseOptions(command.options, { argv: words.split(' ').filter(Boolean) });
  await command.run({ values, positionals, sources, rest: undefined, world, file: undefined, commands: [] });
  return { call: found!, world };
}

describe('the shared flags (CT-7)', () => {
  test('every fleet command has them, after its own', () => {
    const run = async () => {};
    const command = defineFleetCommand({
      name: 'x',
      summary: '',
      usage: '',
      examples: [],
      positionalsMax: 1,
      options,
      run,
    });
    expect(Object.keys(command.options)).toEqual(['force', ...Object.keys(fleetOptions)]);
    const flags = Object.values(fleetOptions).map(({ flag }) => flag);
    expect(flags).toEqual([
      'context',
      'local',
      'output',
      'json',
      'timeout',
      'yes',
      'dry-run',
      'quiet',
      'verbose',
      'progress',
    ]);
  });

  test('a command may give one another meaning', () => {
    const output = { type: 'string', flag: 'output', short: 'o', choices: ['prefix', 'group'], help: '' } as const;
    const command = defineFleetCommand({
      name: 'x',
      summary: '',
      usage: '',
      examples: [],
      positionalsMax: 1,
      options: { output },
      run: async () => {},
    });
    expect(command.options.output.choices).toEqual(['prefix', 'group']);
  });

  test('values and settings', async () => {
    config('output: yaml\ncontexts:\n  prod:\n    timeout: 1m\n');
    const { call } = await callOf('--force --context prod');
    expect(call.values.force).toBe(true);
    expect([call.settings.context, call.settings.timeoutMs, call.result.options.format]).toEqual([
      'prod',
      60_000,
      'yaml',
    ]);
    expect((await callOf('--json')).call.result.options.format).toBe('json');
    expect((await callOf('--json -o name')).call.result.options.format).toBe('name');
    expect(await thrower(callOf('--context other'))).toThrow('there is no context "other"');
    expect((await callOf('--context other', undefined, true)).call.settings.context).toBe('other');
  });

  test('--quiet and --verbose', async () => {
    const said = async (words: string) => {
      const { call, world } = await callOf(words);
      call.note('a note\u001b[2J');
      call.detail('a detail');
      return world.said.stderr;
    };
    expect(await said('')).toBe('a note\\x1b[2J\n');
    expect(await said('--verbose')).toBe('a note\\x1b[2J\na detail\n');
    expect(await said('-q')).toBe('');
  });

  test('--dry-run tells and does nothing; nobody is asked', async () => {
    const { call, world } = await callOf('--dry-run');
    await call.confirm('delete server/web-1', 'web-1');
    expect(await call.change('delete server/web-1', () => Promise.reject(new Error('it was done')))).toBeUndefined();
    expect(world.said).toEqual({ stdout: '', stderr: 'dry run: would delete server/web-1\n' });
    const real = await callOf('--yes');
    await real.call.confirm('delete server/web-1', 'web-1');
    expect(await real.call.change('delete server/web-1', async () => 7)).toBe(7);
  });

  test('destructive verbs fail without --yes where nobody can be asked', async () => {
    const { call } = await callOf('');
    expect(await errorOf(call.confirm('delete server/web-1', 'web-1'))).toBeInstanceOf(CommandError);
  });

  test('color of the configuration', async () => {
    config('color: always\n');
    expect((await callOf('')).call.result.options.colour).toBe(true);
  });

  test('progress on stderr as --progress says', async () => {
    const { call, world } = await callOf('--progress json');
    using tasks = call.tasks();
    tasks.set('web-1', 'done');
    expect(JSON.parse(world.said.stderr)).toMatchObject({ task: 'web-1', state: 'done' });
  });

  test('CT-8 without a login the way to one is told, exit code 3', async () => {
    const { call } = await callOf('');
    expect(await call.labd().catch((error: unknown) => error)).toMatchObject({
      message: 'labd.url is not set',
      exitCode: 3,
    });
    config('labd:\n  url: https://lab.example:3100\n');
    expect(await (await callOf('')).call.labd().catch((error: unknown) => error)).toMatchObject({
      message: 'nobody is logged in to context default',
      hint: 'labctl login',
      exitCode: 3,
    });
  });
});
