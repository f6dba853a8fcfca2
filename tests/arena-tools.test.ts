/**
 * Candidates call tools of a server that speaks MCP (verification AR18), as a person meets it: labctl up, a tool server as a
 * process of its own, and a model that looks a word up before it answers. Level L0 needs no program.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeGateway } from '@labmesh/arena/generate/testing/fake-gateway';
import { trajectorySchema } from '@labmesh/wire/verification/arena-views';
import { toolServerListSchema } from '@labmesh/wire/verification/tools/tool-use';
import { LabctlHome, type LabctlProcess } from './harness/labctl-process.ts';
import { McpProcess } from './simulators/mcp/mcp-process.ts';

const secret = 'tool-secret-0123456789';
const home = new LabctlHome();
const write = (name: string, text: string): string => {
  writeFileSync(join(home.folder, name), text, { mode: 0o600 });
  return join(home.folder, name);
};
const textOf = ({ content }: { content?: unknown }) => (typeof content === 'string' ? content : '');
/** Looks the last word of the prompt up, tries what is blocked, then says what it heard. */
const model = new FakeGateway(({ messages }) => {
  const heard = messages.filter(({ role }) => role === 'tool').map(textOf);
  const word = messages
    .filter(({ role }) => role === 'user')
    .map(textOf)
    .at(-1)
    ?.split(' ')
    .at(-1);
  const call = (index: number, name: string, args: object) =>
    ({ index, id: `c${index}`, function: { name, arguments: JSON.stringify(args) } }) as Record<string, unknown>;
  if (heard.length > 0) return { parts: [JSON.stringify({ heard })] };
  return { toolCalls: [call(0, 'docs__lookup', { word }), call(1, 'docs__erase', {})], finish: 'tool_calls' };
});
/** An engine is more than its chat route: it says which models it has. */
const engine = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  idleTimeout: 0,
  fetch: async (request) => {
    if (!new URL(request.url).pathname.endsWith('/chat/completions')) {
      return Response.json({ object: 'list', data: [{ id: 'm', object: 'model', created: 1, owned_by: 'x' }] });
    }
    return await fetch(model.url, { method: 'POST', body: await request.text() });
  },
});
let tools: McpProcess;
let labctl: LabctlProcess;
const run = (...words: string[]) => home.run(...words, '--data', home.data);

beforeAll(async () => {
  tools = await McpProcess.start(secret);
  const toml = `
[[endpoints]]
name = "sim"
base_url = "http://127.0.0.1:${engine.port}/v1"
[arena.early_stop]
enabled = false
[arena.tools.servers.docs]
url = "${tools.url}"
token_file = "${write('docs.token', `${secret}\n`)}"
block = ["delete*"]
[arena.tools.servers.closed]
url = "${tools.url}"
tenants = ["another"]
[sandbox]
min_level = "L0"
`;
  ({ labctl } = await home.up('--no-discovery', '--no-fleet', '--config', write('labmesh.toml', toml)));
}, 120_000);

afterAll(async () => {
  await labctl[Symbol.asyncDispose]();
  await tools[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
  await engine.stop(true);
  home[Symbol.dispose]();
});

test('tools are listed, called once for equal questions, told of, and kept with the run', async () => {
  const listed = await run('arena', 'tools');
  expect(listed.stdout).toMatch(/docs\/lookup +online +Looks up a word/);
  expect(listed.stdout).toMatch(/docs\/erase +blocked +it may have effects/);
  expect(listed.stdout).not.toContain('closed');

  const ask = (...words: string[]) =>
    run('ask', '--verify', '-m', 'm', '--variations', '3', '--tools', 'docs/*', ...words);
  const asked = await ask('what is LABWORD');
  expect([asked.exitCode, asked.stderr]).toEqual([0, expect.stringContaining('docs/lookup')]);
  const { heard } = JSON.parse(asked.stdout) as { heard: string[] };
  expect(heard).toEqual(['LABWORD means 42', expect.stringContaining('blocked')]);
  expect(asked.stderr).toContain('docs/erase blocked');

  const again = await ask('--json', 'what is LABWORD');
  const { runId } = JSON.parse(again.stdout) as { runId: string };
  const calls = (await tools.heard()).filter((one) => one.startsWith('tools/call'));
  expect(calls).toEqual(['tools/call lookup']);

  const shown = await run('arena', 'show', runId, '--json');
  const trajectory = trajectorySchema.parse(JSON.parse(shown.stdout));
  for (const { toolCalls } of trajectory.candidates) {
    expect(toolCalls).toMatchObject([
      { tool: 'docs/lookup', state: 'ok', cached: true },
      { tool: 'docs/erase', state: 'blocked', cached: false },
    ]);
  }
  expect((await run('arena', 'show', runId)).stdout).toContain('docs/lookup ok');
  const view = toolServerListSchema.parse(JSON.parse((await run('arena', 'tools', '--json')).stdout));
  expect(view.servers).toMatchObject([{ name: 'docs', status: 'online', reason: null }]);
  // The pattern of the settings that matches nothing is told to whoever reads the log.
  expect(labctl.stderr).toContain('match none of its tools');

  // Neither the secret nor where it goes, and no word of a call, stands anywhere but in the answer.
  const said = [labctl.stdout, labctl.stderr, listed.stdout, shown.stdout].join('\n');
  expect(said).not.toContain(secret);
  expect(said).not.toContain(tools.url);
  expect([labctl.stderr, shown.stdout].join('\n')).not.toContain('LABWORD');
}, 240_000);

test('what cannot be had is refused by name', async () => {
  const refused = async (name: string) => await run('ask', '--verify', '-m', 'm', '--tools', name, 'x');
  for (const name of ['docs/erase', 'closed/*', 'nowhere/*']) {
    const { exitCode, stderr } = await refused(name);
    expect([name, exitCode, stderr.includes('verification.tools')]).toEqual([name, 2, true]);
  }
  const plain = await run('ask', '--tools', 'docs/*', 'x');
  expect([plain.exitCode, plain.stderr]).toEqual([2, expect.stringContaining('--tools goes with --verify')]);
}, 120_000);
