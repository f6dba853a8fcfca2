import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { labmeshVersion, repositoryRoot } from '../report.ts';
import { StartedProcess } from '../started-process.ts';
import type { Target, TargetSetup } from './target.ts';

/** As a user starts it: keys, usage and metrics are on because nothing turns them off. */
export const labmeshCommand = './labctl up --json --no-demo --no-fleet --data {data} --port 0 --config {config}';

/** Ours. In `command`, {data}, {config} and {upstream} (a port) are filled in; it prints the line that `up --json` does. */
export async function startLabmesh(setup: TargetSetup, owned: AsyncDisposableStack, command: string): Promise<Target> {
  const data = join(setup.folder, 'labmesh-data');
  const config = join(setup.folder, 'labmesh.toml');
  mkdirSync(data);
  writeFileSync(config, `${labmeshConfig(setup.upstreamPort)}\n${setup.toml ?? ''}`);
  const values: Record<string, string> = { data, config, upstream: String(setup.upstreamPort) };
  const words = command
    .split(/\s+/)
    .map((word) => word.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole));
  const options = { name: 'labmesh', command: words, core: setup.core, folder: setup.folder, cwd: repositoryRoot };
  const started = owned.use(new StartedProcess(options));
  const { api, key, models } = (await started.readyLine()) as ReadyLine;
  const model = models.map(({ id }) => id).find((id) => id.includes('bench-model')) ?? 'bench-model';
  const headers = [`Authorization: Bearer ${key}`];
  return { name: 'labmesh', url: api, headers, model, process: started, version: labmeshVersion() };
}

type ReadyLine = { api: string; key: string; models: { id: string }[] };

function labmeshConfig(upstreamPort: number): string {
  return `
[[endpoints]]
name = "mock"
base_url = "http://127.0.0.1:${upstreamPort}/v1"
kind = "openai"
max_concurrent = 256

[discovery]
enabled = false
`;
}
