import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { dispatch } from '../dispatch.ts';
import { fleetAgentCommands } from '../table/fleet-agent-commands.ts';
import { fleetNodeCommands } from '../table/fleet-node-commands.ts';
import { fleetPeopleCommands } from '../table/fleet-people-commands.ts';
import { fleetServerCommands } from '../table/fleet-server-commands.ts';
import { fleetTrustCommands } from '../table/fleet-trust-commands.ts';
import { expectGolden } from '../testing/golden.ts';
import { testWorld } from '../testing/test-world.ts';

const groups = [
  ['fleet', fleetServerCommands],
  ['agents', fleetAgentCommands],
  ['node', fleetNodeCommands],
  ['people', fleetPeopleCommands],
  ['trust', fleetTrustCommands],
] as const;

describe.each(groups)('commands of %s', (folder, entries) => {
  test('at most 14 in a table', () => expect(entries.length).toBeLessThanOrEqual(14));

  test('golden: the help of each (acceptance 14)', async () => {
    const texts: string[] = [];
    for (const { name } of entries) {
      const world = testWorld();
      expect(await dispatch([...name.split(' '), '--help'], world)).toBe(0);
      texts.push(`$ labctl ${name} --help\n${world.said.stdout}`);
    }
    expectGolden(join(import.meta.dir, folder, 'testdata', 'help.golden.txt'), texts.join('\n'));
  });

  test('each has a summary, usage and examples, and the shared flags', async () => {
    for (const entry of entries) {
      const command = await entry.load();
      expect(command.examples.length).toBeGreaterThan(0);
      for (const example of command.examples) expect(example).toContain('labctl ');
      for (const key of ['context', 'local', 'output', 'json', 'timeout', 'yes', 'dryRun', 'quiet', 'verbose']) {
        expect(Object.keys(command.options)).toContain(key);
      }
      expect(command.summary).toEndWith('.');
      expect(entry.summary.length).toBeLessThanOrEqual(60);
    }
  });
});
