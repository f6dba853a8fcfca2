import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { serverName } from './own-agent.ts';

test.each([
  ['web-1', 'web-1'],
  ['WEB_1.example.com', 'web-1.example.com'],
  ['-räck-', 'r-ck'],
  ['...', 'localhost'],
  ['', 'localhost'],
])('CT-1 host name %j is server %j', (hostname, name) => expect(serverName(hostname)).toBe(name));

test('CT-1 every host name becomes a name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), (hostname) => {
      expect(serverName(hostname)).toMatch(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
    }),
  );
});
