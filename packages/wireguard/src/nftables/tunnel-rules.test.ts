import { expect, test } from 'bun:test';
import { recordingSocket } from '../netlink/testing/recording-socket.ts';
import { createTable } from './table-requests.ts';
import { type Guarded, tableName, tunnelRules } from './tunnel-rules.ts';

const node: Guarded = {
  name: 'labman0',
  address: '10.90.0.2',
  role: { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 },
};
const hub: Guarded = { name: 'labhub0', address: '10.90.0.1', role: { kind: 'hub' } };

// The answers of spec tunnel.md 5.11.
test.each([
  [node, 'labman', 1_448, 'e0585a52255407567ef7e6cfc629af4c47ec128d0b07a8b7d4d43b9e36703c74'],
  [hub, 'labhub', 1_324, '43e1d37af210244a3a68c483f1a2a57769d4df275aab4c9d152188af36afd31a'],
])('the batch of $name', (guarded, table, length, sha256) => {
  expect(tableName(guarded.name)).toBe(table);
  const socket = recordingSocket();
  createTable(socket, table, tunnelRules(guarded), true);
  const [batch] = socket.sent;
  expect(batch).toHaveLength(length);
  expect(new Bun.CryptoHasher('sha256').update(batch!).digest('hex')).toBe(sha256);
});

test('two tunnels on one machine have two tables', () => {
  expect(tableName('labman1')).toBe('labmesh-labman1');
  expect(tableName('labman')).toBe('labmesh-labman');
});
