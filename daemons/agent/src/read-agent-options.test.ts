import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAgentOptions } from './read-agent-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-agent-options-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const labelsOf = async (line: string): Promise<readonly string[] | undefined> => {
  const config = join(folder, 'labmesh.toml');
  writeFileSync(config, `[agent]\n${line}\n`);
  return (await readAgentOptions(['check-config', '--config', config])).options.labels;
};

test('AG-2 labels are a table; the list that the flag takes means the same', async () => {
  expect(await labelsOf('labels = { rack = "r1", "power.feed" = "a=b" }')).toEqual(['rack=r1', 'power.feed=a=b']);
  expect(await labelsOf('[agent.labels]\nrack = "r1"')).toEqual(['rack=r1']);
  expect(await labelsOf('labels = ["rack=r1"]')).toEqual(['rack=r1']);
  expect(await labelsOf('labels = {}')).toEqual([]);
  expect(await thrower(labelsOf('labels = { rack = 1 }'))).toThrow('agent.labels');
  expect(await thrower(labelsOf('labels = 3'))).toThrow('agent.labels');
});
