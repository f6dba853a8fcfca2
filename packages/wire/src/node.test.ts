import { expect, test } from 'bun:test';
import { nodeHeartbeatRequestSchema, nodeRegisterAnswerSchema, nodeRegisterRequestSchema } from './node.ts';

const capabilities = {
  models: [{ id: 'llama3.2:3b' }],
  endpoint_count: 1,
  max_concurrent_requests: 8,
  supports_streaming: true,
  supports_chat: true,
  supports_completions: true,
  slugs: [
    {
      slug: '4hm9MWhm4yD',
      tenant: '',
      endpoint: 'ollama',
      model_id: 'llama3.2:3b',
      slots: 8,
      slots_free: 8,
      healthy: true,
    },
  ],
  rack: 'b2',
};

test('registration: metadata flattened into the capabilities is kept', () => {
  const request = {
    token: `lmn_0123456789_${'a'.repeat(43)}`,
    node_info: { id: 'node-71137b2996527521', capabilities, version: '0.1.0' },
    wireguard_public_key: 'k',
    rosenpass_public_key: '',
    rosenpass_public_key_sha256: 'a'.repeat(64),
  };
  expect(nodeRegisterRequestSchema.parse(request) as unknown).toEqual(request);
  expect(nodeRegisterRequestSchema.safeParse({ ...request, rosenpass_public_key: 'x'.repeat(700_001) }).success).toBe(
    false,
  );
});

test('answers of a Conplane are loose: newer fields pass', () => {
  expect(
    nodeRegisterAnswerSchema.parse({
      success: true,
      node_id: 'n',
      message: null,
      wireguard_address: '10.90.0.2/32',
      later: 1,
    }),
  ).toMatchObject({ later: 1 });
});

test('a heartbeat with an unknown state is refused', () => {
  const status = {
    node_id: 'n',
    state: 'running',
    healthy_endpoints: 0,
    total_endpoints: 0,
    active_requests: 0,
    total_requests: 0,
    total_errors: 0,
    uptime_seconds: 0.5,
    timestamp: '2026-01-02T03:04:05.678Z',
  };
  expect(nodeHeartbeatRequestSchema.safeParse({ node_id: 'n', status }).success).toBe(true);
  expect(nodeHeartbeatRequestSchema.safeParse({ node_id: 'n', status: { ...status, state: 'sleeping' } }).success).toBe(
    false,
  );
});
