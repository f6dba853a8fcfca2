import { expect, test } from 'bun:test';
import { fail, pass } from './check/finding.ts';
import { inFile } from './check-tunnel.ts';

test('a fix names the table as this file has it', () => {
  const finding = fail('MTU', 'is too large', 'mtu = 1328 below [wireguard]');
  expect(inFile(finding, true)).toEqual(finding);
  expect(inFile(finding, false).fix).toBe('mtu = 1328 below [labman.wireguard]');
  const pinned = fail('Conplane', 'shows another CA', 'ca_sha256 = "…" below [control_plane]');
  expect(inFile(pinned, false).fix).toBe('ca_sha256 = "…" below [labman.control_plane]');
  expect(inFile(pass('keys', 'fine'), false)).toEqual(pass('keys', 'fine'));
});
