import { expect, test } from 'bun:test';
import { publicNote } from './public-note.ts';

test.each(['0.0.0.0', '::', '192.168.1.5', '203.0.113.7', '[2001:db8::1]', 'gpu1.example'])(
  'a gateway at %s below L2 is warned of',
  (host) => {
    expect(publicNote(host, { minLevel: 'L1' })).toContain('below L2');
    expect(publicNote(host, { minLevel: 'L0' })).toContain('sandbox.min_level is L0');
    expect(publicNote(host, { minLevel: 'L2' })).toBeUndefined();
  },
);

test.each(['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost'])('one at %s is for this machine', (host) => {
  expect(publicNote(host, { minLevel: 'L0' })).toBeUndefined();
});
