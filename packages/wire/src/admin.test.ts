import { expect, test } from 'bun:test';
import * as admin from './admin.ts';

test('the answers that the gateway gives are valid', () => {
  admin.gatewayStatusSchema.parse({
    version: '0.1.0',
    state: 'running',
    uptimeS: 1.5,
    api: 'http://127.0.0.1:8080/v1',
    inFlight: 0,
    queued: 0,
    connections: 1,
    endpoints: { total: 2, healthy: 1 },
    models: 3,
  });
  admin.endpointListSchema.parse({
    endpoints: [
      {
        name: 'a',
        kind: 'ollama',
        url: 'http://127.0.0.1:11434',
        origin: 'discovered',
        state: 'healthy',
        models: ['m'],
        inFlight: 0,
        capacity: 1,
        capacityHard: true,
        load: 0,
      },
    ],
  });
  admin.servedModelListSchema.parse({ models: [{ id: 'planner', alias: true, target: 'm', endpoints: ['a'] }] });
  admin.keyListSchema.parse({
    keys: [
      {
        id: '0123456789ab',
        name: 'laptop',
        scopes: ['chat'],
        tenant: 'default',
        verification: 'shadow',
        createdAt: new Date().toISOString(),
        requests: 0,
        promptTokens: 0,
        completionTokens: 0,
      },
    ],
  });
  admin.usageListSchema.parse({
    usage: [
      {
        by: 'key',
        id: 'x',
        requests: 1,
        promptTokens: 1,
        completionTokens: 1,
        cachedTokens: 0,
        errors: 0,
        estimated: 0,
      },
    ],
  });
  admin.drainStartedSchema.parse({ state: 'draining', inFlight: 1, graceS: 180 });
});

test('a listed key can never carry its secret', () => {
  expect(Object.keys(admin.keyRowSchema.shape)).not.toContain('key');
  const row = {
    id: 'i',
    name: 'n',
    scopes: [],
    tenant: 'default',
    createdAt: '2026-01-02T03:04:05Z',
    requests: 0,
    promptTokens: 0,
    completionTokens: 0,
    key: 'lmk_secret',
  };
  expect(admin.keyRowSchema.parse(row)).not.toHaveProperty('key');
});

test('asking for a key: unknown fields, scopes and control characters are refused', () => {
  const fits = (request: unknown) => admin.createKeyRequestSchema.safeParse(request).success;
  expect(fits({ name: 'laptop', scopes: ['chat', 'admin:read'] })).toBe(true);
  expect(fits({ name: 'a', tenant: 'acme.eu-1', verification: 'intercept' })).toBe(true);
  for (const tenant of ['', 'a b', 'a\nb', 'A', '-a', 'a-', '../x', 'x'.repeat(65)])
    expect(fits({ name: 'a', tenant })).toBe(false);
  expect(fits({ name: 'a', verification: 'always' })).toBe(false);
  for (const bad of [{}, { name: '' }, { name: 'a\nb' }, { name: 'a', scopes: ['root'] }, { name: 'a', scope: 'chat' }])
    expect(fits(bad)).toBe(false);
});
