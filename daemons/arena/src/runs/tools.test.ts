import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { sha256Hex } from '@labmesh/attest/sha256';
import { TempFolder } from '@labmesh/store/testing/temp-store';
import { system } from '@labmesh/wire/fleet/principal';
import { McpSimulator } from '../../../../tests/simulators/mcp/mcp-simulator.ts';
import { FakeGateway, type Script } from '../generate/testing/fake-gateway.ts';
import { openTools } from '../generate/testing/open-tools.ts';
import type { ToolSettings } from '../generate/tools/tool-settings.ts';
import { readCandidates } from '../rows/candidate-rows.ts';
import { textOf } from './steps/report.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig, type RigOptions } from './testing/run-rig.ts';

const calls = (...all: [name: string, args: string][]): Script => ({
  toolCalls: all.map(([name, args], index) => ({ index, id: `id-${index}`, function: { name, arguments: args } })),
  finish: 'tool_calls',
});
const lookup = (word: string) => calls(['docs__lookup', JSON.stringify({ word })]);
const block = { variations: 1, tools: ['docs/*'] };

/** Models answer by `turns`: one for each turn with tools behind it. */
async function rigOf(
  turns: FakeGateway['script'],
  { settings, ...more }: { settings?: Partial<ToolSettings> } & Partial<RigOptions> = {},
) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(new McpSimulator());
  const gateway = stack.use(new FakeGateway(turns));
  const tools = stack.use(openTools([{ url: server.url }], settings));
  const rig = stack.use(await openRig({ gateway, ...more, parts: { tools, ...more.parts } }));
  const open = stack.move();
  const rows = async (runId: string) => await rig.store.read(system('test'), (db) => readCandidates(db, runId));
  return { server, gateway, tools, rig, rows, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
const turnsOf = (messages: readonly { role: string }[]) => messages.filter(({ role }) => role === 'assistant').length;

describe('a variation that calls tools', () => {
  test('hears what they gave, and its answer is verified; calls are told and kept without a word of them', async () => {
    await using all = await rigOf(({ messages }) =>
      turnsOf(messages) === 0 ? lookup('SECRETWORD') : { parts: ['good'] },
    );
    const { rig, gateway, server } = all;
    const events = await eventsOf(rig.runs, offerOf({ block }));
    const [result] = only(events, 'result');
    expect(result).toMatchObject({ answer: { content: 'good' }, report: { status: 'valid' } });
    const [first, second] = gateway.heard.map(({ request }) => request);
    expect(first?.tools?.map((one) => one['function'])).toMatchObject([
      { name: 'docs__lookup', description: 'Looks up a word.', parameters: { required: ['word'] } },
      { name: 'docs__broken' },
    ]);
    expect(second?.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'id-0', type: 'function', function: { name: 'docs__lookup', arguments: '{"word":"SECRETWORD"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'id-0', content: 'SECRETWORD means 42' },
    ]);
    // What both turns cost.
    expect(result?.usage.prompt_tokens).toBe(20);
    const [told] = only(events, 'tool');
    expect(told).toMatchObject({ index: 0, round: 0, tool: 'docs/lookup', state: 'ok', cached: false });
    expect(told?.argsSha256).toMatch(/^[0-9a-f]{64}$/);
    // What was asked is found from it by no trying of words (P7), and another run has another.
    const plain = sha256Hex(canonicalBytes({ word: 'SECRETWORD' }));
    const again = only(await eventsOf(rig.runs, offerOf({ block })), 'tool').map(({ argsSha256 }) => argsSha256);
    expect(again).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(again).not.toContain(told?.argsSha256);
    expect([told?.argsSha256, ...again]).not.toContain(plain);
    const [row] = await all.rows(result?.runId ?? '');
    expect([row?.rollout, row?.toolCalls?.length, row?.tokensIn]).toEqual([null, 1, 20]);
    expect(JSON.stringify([events, row])).not.toContain('SECRETWORD');
    expect([server.called('lookup'), rig.finished[0]?.candidates[0]?.usesTools]).toEqual([1, true]);
  });

  test('one that asks for nothing is as without tools; nobody else is offered any', async () => {
    await using all = await rigOf(() => ({ parts: ['good'] }));
    const choice = { model: 'tiny', messages: [{ role: 'user', content: 'x' }], tool_choice: 'required' };
    await eventsOf(all.rig.runs, offerOf({ block, request: choice }));
    expect(all.gateway.heard[0]?.request.tool_choice).toBe('required');
    await eventsOf(all.rig.runs, offerOf({ block: { variations: 1 } }));
    expect(all.gateway.heard[1]?.request.tools).toBeUndefined();
    expect(all.rig.finished.map(({ candidates }) => candidates[0]?.usesTools)).toEqual([false, false]);
  });

  test('equal calls of variations are made once, and of another tenant again', async () => {
    await using all = await rigOf(({ messages }, call) =>
      turnsOf(messages) === 0 ? lookup('a') : { parts: [`good ${call}`] },
    );
    const three = { ...block, variations: 3 };
    const events = await eventsOf(all.rig.runs, offerOf({ block: three }));
    expect(only(events, 'tool').filter(({ cached }) => cached)).toHaveLength(2);
    expect(all.server.called('lookup')).toBe(1);
    await eventsOf(all.rig.runs, offerOf({ block: three, tenant: 'globex' }));
    expect(all.server.called('lookup')).toBe(2);
  });

  test('what is wrong with a call is told to the model, and reaches no server', async () => {
    await using all = await rigOf(
      ({ messages }) =>
        turnsOf(messages) === 0
          ? calls(
              ['docs__erase', '{}'],
              ['docs__nothing', '{}'],
              ['docs__lookup', '{"word":7}'],
              ['docs__lookup', 'word'],
              ['docs__broken', ''],
              ['docs__lookup', '{"word":"late"}'],
            )
          : { parts: ['good'] },
      { settings: { calls: 5 } },
    );
    const events = await eventsOf(all.rig.runs, offerOf({ block }));
    expect(only(events, 'tool').map(({ tool, state }) => [tool, state])).toEqual([
      ['docs/erase', 'blocked'],
      [null, 'unknown'],
      ['docs/lookup', 'bad_arguments'],
      ['docs/lookup', 'bad_arguments'],
      ['docs/broken', 'error'],
      ['docs/lookup', 'over_limit'],
    ]);
    const heard = all.gateway.heard[1]?.request.messages ?? [];
    expect(heard.slice(2).every((message) => textOf(message).startsWith('error: '))).toBe(true);
    // Engines read the arguments of turns again: what is no JSON is not sent back to them.
    expect(heard[1]?.tool_calls?.[3]?.function?.arguments).toBe('{}');
    expect([all.server.called('erase'), all.server.called('lookup'), all.server.called('broken')]).toEqual([0, 0, 1]);
    expect(only(events, 'result')[0]?.report.status).toBe('valid');
  });

  test('a model that never stops calling gives no answer', async () => {
    await using all = await rigOf((_, call) => lookup(`w${call}`), { settings: { rounds: 2 } });
    const events = await eventsOf(all.rig.runs, offerOf({ block }));
    expect(only(events, 'candidate').at(-1)).toMatchObject({ state: 'failed', reason: 'tool_rounds_exceeded' });
    expect(only(events, 'error')[0]?.code).toBe('upstream_error');
    expect(all.gateway.heard.map(({ request }) => request.tool_choice)).toEqual([undefined, undefined, 'none']);
    expect(all.server.called('lookup')).toBe(2);
  });

  test('its correction knows what the tools said, and calls nothing', async () => {
    await using all = await rigOf(({ messages }) => {
      if (turnsOf(messages) === 0) return lookup('a');
      return { parts: [messages.at(-1)?.role === 'tool' ? 'BAD' : 'good'] };
    });
    const events = await eventsOf(all.rig.runs, offerOf({ block }));
    expect(only(events, 'result')[0]?.report.status).toBe('valid');
    const last = all.gateway.heard.at(-1)?.request;
    expect(last?.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    expect(last?.tool_choice).toBe('none');
  });
});

const main = join(import.meta.dir, 'testing/engine-main.ts');

test('AR16: after SIGKILL a run goes on after the last turn that was written: no call is paid or made twice', async () => {
  using folder = new TempFolder();
  await using server = new McpSimulator();
  const never = new Promise<void>(() => {});
  let isBack = false;
  await using gateway = new FakeGateway(({ messages }) => {
    if (turnsOf(messages) === 0) return lookup('a');
    return isBack ? { parts: ['good'] } : { after: never };
  });
  const words = [await folder.nextUrl(), gateway.url, JSON.stringify(offerOf({ block })), '0', '0', server.url];
  const start = () => Bun.spawn([process.execPath, main, ...words], { stderr: 'inherit', stdout: 'pipe' });
  const killed = start();
  while (gateway.heard.length < 2) await Bun.sleep(5);
  killed.kill('SIGKILL');
  await killed.exited;
  isBack = true;
  const said = await start().stdout.text();
  expect(said).toContain('"event":"result"');
  expect(gateway.heard.map(({ request }) => turnsOf(request.messages))).toEqual([0, 1, 1]);
  expect(server.called('lookup')).toBe(1);
}, 60_000);

describe('tools that cannot be had', () => {
  const user = { role: 'user', content: 'x' };
  test.each([
    [{ block: { tools: ['docs/nothing'] } }, 'there is no tool docs/nothing'],
    [{ block: { tools: ['other/*'] } }, 'there is no tool server other'],
    [{ block: { tools: ['docs/erase'] } }, 'docs/erase is never called'],
    [{ block, request: { model: 'm', messages: [user], tools: [{ type: 'function' }] } }, 'tools of its own'],
    [{ block, mode: 'audit' as const, answer: { role: 'assistant', content: 'x' } }, 'nothing is generated'],
  ])('%j is the request’s fault', async (input, why) => {
    await using all = await rigOf(() => ({ parts: ['good'] }));
    const [error] = only(await eventsOf(all.rig.runs, offerOf(input)), 'error');
    expect(error).toMatchObject({ code: 'verification_bad_option', field: 'verification.tools' });
    expect(error?.message).toContain(why);
    expect(all.gateway.heard).toHaveLength(0);
  });

  test('a server that is asked and says nothing holds a run no longer than it has', async () => {
    await using gateway = new FakeGateway(() => ({ parts: ['good'] }));
    const silent = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Promise<Response>(() => {}) });
    await using tools = openTools([{ url: `http://127.0.0.1:${silent.port}/mcp` }], { timeoutMs: 300_000 });
    await using rig = await openRig({ gateway, parts: { tools } });
    const events = await eventsOf(rig.runs, offerOf({ block, deadlineMs: Date.now() + 500 }));
    expect(only(events, 'error')[0]?.code).toBe('verification_deadline');
    expect(gateway.heard).toHaveLength(0);
    await silent.stop(true);
  });

  test('a server that is away, and an arena without any', async () => {
    await using all = await rigOf(() => ({ parts: ['good'] }));
    await all.server[Symbol.asyncDispose]();
    const [error] = only(await eventsOf(all.rig.runs, offerOf({ block })), 'error');
    expect(error?.code).toBe('verification_unavailable');
    await using none = await openRig({ gateway: all.gateway });
    const [other] = only(await eventsOf(none.runs, offerOf({ block })), 'error');
    expect(other).toMatchObject({ code: 'verification_bad_option' });
  });
});
