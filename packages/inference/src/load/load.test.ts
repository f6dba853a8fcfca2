import { describe, expect, test } from 'bun:test';
import { Endpoint, endpointSpec, type Gauges } from '../registry/endpoint.ts';
import { hasRoom, loadOf } from './load.ts';

function endpointWith(given: {
  own?: number;
  capacity?: number;
  hard?: boolean;
  gauges?: Gauges;
  maxConcurrent?: number;
}) {
  const spec = endpointSpec({ name: 'e', baseUrl: 'http://e', maxConcurrent: given.maxConcurrent ?? 0 });
  const endpoint = new Endpoint(spec, { host: 'e', port: 80, tls: false, prefix: '/v1' });
  endpoint.own = given.own ?? 0;
  endpoint.capacity = given.capacity ?? 10;
  endpoint.capacityHard = given.hard ?? false;
  endpoint.gauges = given.gauges;
  return endpoint;
}

describe('loadOf', () => {
  test('own work and what others brought, over capacity', () => {
    const gauges = { running: 6, waiting: 2, ownAtSample: 3, at: 0 };
    expect(loadOf(endpointWith({ own: 4, gauges }), 1_000)).toBeCloseTo(0.9);
  });
  test('others never count below zero', () => {
    const gauges = { running: 0, waiting: 0, ownAtSample: 3, at: 0 };
    expect(loadOf(endpointWith({ own: 4, gauges }), 0)).toBeCloseTo(0.4);
  });
  test('a missing gauge is unknown, never zero', () => {
    expect(loadOf(endpointWith({ own: 4 }), 0)).toBeCloseTo(0.65);
    expect(loadOf(endpointWith({}), 0)).toBeCloseTo(0.25);
  });
  test('a KV cache above 0.9 weighs', () => {
    const gauges = { running: 1, waiting: 0, kv: 0.95, ownAtSample: 1, at: 0 };
    expect(loadOf(endpointWith({ own: 1, gauges }), 0)).toBeCloseTo(0.6);
  });
  test('gauges are void after three intervals: 6 s at work, 30 s idle', () => {
    const busy = { running: 8, waiting: 0, ownAtSample: 1, at: 0 };
    expect(loadOf(endpointWith({ gauges: busy }), 6_000)).toBeCloseTo(0.7);
    expect(loadOf(endpointWith({ gauges: busy }), 6_001)).toBeCloseTo(0.25);
    const idle = { running: 8, waiting: 0, ownAtSample: 0, at: 0 };
    expect(loadOf(endpointWith({ gauges: idle }), 30_000)).toBeCloseTo(0.8);
    expect(loadOf(endpointWith({ gauges: idle }), 30_001)).toBeCloseTo(0.25);
  });
});

describe('hasRoom', () => {
  test('a soft capacity limits nothing', () => {
    expect(hasRoom(endpointWith({ own: 500, capacity: 4 }))).toBe(true);
  });
  test('a hard one is never passed, max_concurrent neither', () => {
    expect(hasRoom(endpointWith({ own: 3, capacity: 4, hard: true }))).toBe(true);
    expect(hasRoom(endpointWith({ own: 4, capacity: 4, hard: true }))).toBe(false);
    expect(hasRoom(endpointWith({ own: 2, maxConcurrent: 2 }))).toBe(false);
  });
  test('one request may wait inside Ollama', () => {
    const endpoint = endpointWith({ own: 1, capacity: 1, hard: true });
    endpoint.kind = 'ollama';
    expect(hasRoom(endpoint)).toBe(true);
    endpoint.own = 2;
    expect(hasRoom(endpoint)).toBe(false);
  });
  test('an engine with a long queue of its own gets nothing new', () => {
    expect(hasRoom(endpointWith({ gauges: { waiting: 16, ownAtSample: 0, at: 0 } }))).toBe(false);
  });
});
