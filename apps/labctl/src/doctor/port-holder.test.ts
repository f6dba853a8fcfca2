import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { describeHolder, listeningInodes, portHolder } from './port-holder.ts';

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000 100 0 0 10 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000 100 0 0 10 0
`;

describe('port holder', () => {
  test('only listeners of the port count', () => {
    expect(listeningInodes(table, 8080)).toEqual(['4711']);
    expect(listeningInodes(table, 80)).toEqual([]);
  });

  test('any text is read', () => {
    fc.assert(fc.property(fc.string(), (text) => expect(listeningInodes(`\n${text}`, 8080)).toBeArray()));
  });

  test.skipIf(process.platform !== 'linux')('finds this process', () => {
    using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() });
    expect(portHolder(server.port ?? 0)?.pid).toBe(process.pid);
  });

  test('says what is known', () => {
    expect(describeHolder({ pid: 1, name: 'nginx' })).toBe('nginx (pid 1)');
    expect(describeHolder({})).toBe("another user's process");
  });
});
