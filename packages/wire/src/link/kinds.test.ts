import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Envelope } from './envelope.ts';
import { localError, parseEnvelope } from './envelope.ts';
import { checkMessage, kinds } from './kinds.ts';

type Fields = Record<string, unknown>;
const ts = '2026-01-02T03:04:05Z';
const device = {
  id: 'gpu:0',
  model_state: 'ready',
  vram_total_mb: 1,
  vram_used_mb: 1,
  vram_free_mb: 0,
  queue: 0,
  in_flight: 0,
};
const nodeHeartbeat = {
  node_id: 'node-1',
  state: 'running',
  healthy_endpoints: 1,
  total_endpoints: 1,
  active_requests: 0,
  total_requests: 9,
  total_errors: 0,
  uptime_seconds: 3,
  timestamp: ts,
  mode: 'normal',
  tunnel: { state: 'up', pq: true, handshake_age_s: 3.5 },
};
const usage = {
  request_id: 'req_1',
  slug: 'GT0f9Nb2WnT',
  tenant: '',
  model_id: 'm',
  started_at: ts,
  latency_ms: 5.5,
  prompt_tokens: 1,
  completion_tokens: 2,
  status: 'ok',
  streamed: true,
  source: 'upstream',
};
/** The smallest valid payload of each kind: every field in it is required. */
const least: Record<string, Fields> = {
  register_agent: { agent_version: '1', proto: [1], features: [], runtimes: [], devices: [], models: [] },
  heartbeat: { state: 'running', uptime_s: 1, active: 0, queued: 0, devices: [device] },
  metrics: { window_s: 10, gauges: { load: 0.5 }, counters: {} },
  offer_capacity: { offers: [{ model_id: 'm', slots: 0, until: ts }] },
  directive_progress: { directive_id: 'd', phase: 'done' },
  usage_report: { reports: [usage] },
  resource_profiles: { profiles: [{ model_id: 'm', vram_mb: 1, ctx_max: 1, load_ms_p50: 1, measured_at: ts }] },
  available_model_capacity: { models: [{ model_id: 'm', slots_total: 1, slots_free: 1, queued: 0, loaded: true }] },
  preload_model: { directive_id: 'd', model_id: 'm' },
  evict_model: { directive_id: 'd', model_id: 'm' },
  assign_workload: { directive_id: 'd', slug: 'abc', slots: 1 },
  update_registry: { directive_id: 'd', rev: 1, entries: [{ model_id: 'm' }] },
  drain: { directive_id: 'd', scope: 'node' },
  restart_agent: { directive_id: 'd', reason: 'because' },
  ack: { ref_msg_id: 'm', status: 'accepted' },
  error: { code: 'INTERNAL', message: 'x' },
};

const envelope = (
  kind: string,
  direction: 'up' | 'down',
  payload: unknown,
  agentId: string | null = 'a',
): Envelope => ({ msg_id: 'm', site_id: null, agent_id: agentId, direction, kind, ts: null, payload });
const directionOf = (direction: string): 'up' | 'down' => (direction === 'down' ? 'down' : 'up');

function codeOf(kind: string, direction: 'up' | 'down', payload: unknown, from = direction): string {
  const checked = checkMessage(envelope(kind, direction, payload), from);
  return checked.ok ? 'ok' : checked.code;
}

test('the table holds the kinds of the protocol, each with an example here', () => {
  expect(kinds.map((row) => row.kind)).toEqual(Object.keys(least));
});

describe.each(kinds.map((row) => [row.kind, directionOf(row.direction), row.direction] as const))(
  '%s',
  (kind, direction, where) => {
    const payload = least[kind] ?? {};

    test('valid; each field missing or of a wrong type', () => {
      expect(codeOf(kind, direction, payload)).toBe('ok');
      for (const field of Object.keys(payload)) {
        const { [field]: _, ...rest } = payload;
        expect([field, codeOf(kind, direction, rest)]).toEqual([field, 'PAYLOAD_INVALID']);
        expect([field, codeOf(kind, direction, { ...payload, [field]: null })]).toEqual([field, 'PAYLOAD_INVALID']);
      }
      for (const wrong of [null, [], 'x', 1]) expect(codeOf(kind, direction, wrong)).toBe('PAYLOAD_INVALID');
    });

    test('lists above any bound are refused', () => {
      for (const [field, value] of Object.entries(payload)) {
        if (Array.isArray(value))
          expect(codeOf(kind, direction, { ...payload, [field]: Array(513).fill(value[0] ?? 'x') })).toBe(
            'PAYLOAD_INVALID',
          );
      }
    });

    test('wrong direction', () => {
      const other = direction === 'up' ? 'down' : 'up';
      expect(codeOf(kind, direction, payload, other)).toBe('WRONG_DIRECTION');
      if (where !== 'both') expect(codeOf(kind, other, payload)).toBe('WRONG_DIRECTION');
    });

    test('unknown fields are dropped on the way up and passed on the way down', () => {
      const checked = checkMessage(envelope(kind, direction, { ...payload, x_more: 1 }), direction);
      expect(checked.ok && 'x_more' in (checked.message.payload as object)).toBe(direction === 'down');
    });

    test('any payload is judged, never thrown at', () => {
      fc.assert(
        fc.property(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(...Object.keys(payload)), (value, field) =>
          ['ok', 'PAYLOAD_INVALID'].includes(codeOf(kind, direction, { ...payload, [field]: value })),
        ),
        { numRuns: 30 },
      );
    });
  },
);

describe('particulars', () => {
  const up = (payload: unknown, agentId: string | null) =>
    checkMessage(envelope('heartbeat', 'up', payload, agentId), 'up').ok;
  test("a heartbeat is the node's or an agent's by who sends it", () => {
    expect([
      up(nodeHeartbeat, null),
      up(nodeHeartbeat, 'a'),
      up(least.heartbeat, 'a'),
      up(least.heartbeat, null),
    ]).toEqual([true, false, true, false]);
    expect(up({ state: 'error', synthetic: true, reason: 'disconnected' }, 'a')).toBe(true);
  });

  test('unknown kinds are named; x_ kinds pass when both know them', () => {
    expect(checkMessage(envelope('run_command', 'down', {}), 'down')).toMatchObject({
      code: 'UNKNOWN_KIND',
      text: 'the kind run_command is not known here',
    });
    expect(codeOf('x_bench', 'up', {})).toBe('UNKNOWN_KIND');
    expect(checkMessage(envelope('x_bench', 'up', 7), 'up', new Set(['x_bench']))).toEqual({
      ok: true,
      message: { kind: 'x_bench', payload: 7 },
    });
    for (const name of ['constructor', '__proto__', 'to_string']) expect(codeOf(name, 'up', {})).toBe('UNKNOWN_KIND');
  });

  test('a registry entry never carries a path, URL or flag', () => {
    const checked = checkMessage(
      envelope('update_registry', 'down', {
        directive_id: 'd',
        rev: 1,
        entries: [{ model_id: 'm', path: '/etc/passwd', args: ['-x'] }],
      }),
      'down',
    );
    expect(checked.ok && checked.message.payload).toEqual({ directive_id: 'd', rev: 1, entries: [{ model_id: 'm' }] });
  });

  test('waits have their defaults and bounds; a model drain names its model', () => {
    const drained = checkMessage(envelope('drain', 'down', least.drain), 'down');
    expect(drained.ok && drained.message.payload).toMatchObject({ grace_s: 300 });
    expect(codeOf('drain', 'down', { ...least.drain, scope: 'model' })).toBe('PAYLOAD_INVALID');
    expect(codeOf('evict_model', 'down', { ...least.evict_model, grace_s: 601 })).toBe('PAYLOAD_INVALID');
    expect(codeOf('metrics', 'up', { ...least.metrics, gauges: { 'Bad-Name': 1 } })).toBe('PAYLOAD_INVALID');
    expect(
      codeOf('metrics', 'up', {
        ...least.metrics,
        gauges: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`g${i}`, 1])),
      }),
    ).toBe('PAYLOAD_INVALID');
  });

  test('the W7 answer is itself a valid error', () => {
    const parsed = parseEnvelope(localError('x'));
    expect(parsed.ok && checkMessage(parsed.envelope, 'down').ok).toBe(true);
  });
});
