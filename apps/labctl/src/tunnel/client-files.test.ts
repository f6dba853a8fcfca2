import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRosenpassToml } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { rosenpassPublicKeyBytes } from '@labmesh/wire/tunnel';
import { clientInDirectory, clientsInToml } from './client-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labctl-clients-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [wireguard, psk] = [Buffer.alloc(32, 4).toString('base64'), Buffer.alloc(32, 9).toString('base64')];
const rosenpass = Buffer.alloc(rosenpassPublicKeyBytes, 3);
const put = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);

describe('the public folder of rp (X3)', () => {
  test('gives both keys, and the preshared one where there is one', () => {
    put('wgpk', wireguard);
    put('pqpk', rosenpass);
    const keys = { wireguardPublicKey: wireguard, rosenpassPublicKey: rosenpass.toString('base64') };
    expect(clientInDirectory(folder)).toEqual(keys);
    put('psk', `${psk}\n`);
    expect(clientInDirectory(folder)).toEqual({ ...keys, presharedKey: psk });
  });

  test('what is missing or wrong is named, and nothing of it is shown', () => {
    put('wgpk', wireguard);
    expect(() => clientInDirectory(folder)).toThrow('pqpk');
    put('pqpk', rosenpass);
    put('psk', 'no key, though a secret');
    expect(() => clientInDirectory(folder)).toThrow('psk');
    expect(() => clientInDirectory(folder)).not.toThrow('though a secret');
    rmSync(join(folder, 'psk'));
    mkdirSync(join(folder, 'psk'));
    expect(() => clientInDirectory(folder)).toThrow('psk');
  });
});

describe('peers of rosenpass.toml (X2)', () => {
  const read = (text: string) => {
    const file = join(folder, 'rosenpass.toml');
    return clientsInToml(parseRosenpassToml(file, text, folder).config, file);
  };
  const peer = `[[peers]]\npublic_key = "Branch Office.pqpk"\ndevice = "wg0"\npeer = "${wireguard}"\n`;

  test('are named after their key files, with their preshared keys; a file that is not there is named', () => {
    put('Branch Office.pqpk', rosenpass);
    put('branch.psk', psk);
    const { clients, leftOut } = read(`${peer}endpoint = "198.51.100.7:9999"\npre_shared_key = "branch.psk"\n`);
    expect(leftOut).toEqual([]);
    expect(read(`${peer}extra_params = ["mtu"]\n`).leftOut.join()).toContain('extra_params are not taken over');
    expect(clients).toEqual([
      {
        name: 'branch-office',
        wireguardPublicKey: wireguard,
        rosenpassPublicKey: rosenpass.toString('base64'),
        version: 'V02',
        presharedKey: psk,
        endpoint: '198.51.100.7:9999',
      },
    ]);
    expect(() => read(`${peer}pre_shared_key = "none.psk"\n`)).toThrow(`${join(folder, 'none.psk')}: there is no such`);
    put('branch.psk', 'a secret that is no key');
    expect(() => read(`${peer}pre_shared_key = "branch.psk"\n`)).toThrow('pre_shared_key');
    expect(() => read(`${peer}pre_shared_key = "branch.psk"\n`)).not.toThrow('a secret');
  });

  test('one with labels of its own would make other keys than the hub: it is left out, with the way out', () => {
    put('Branch Office.pqpk', rosenpass);
    const { clients, leftOut } = read(`${peer}osk_organization = "example.org"\nosk_label = ["backup"]\n`);
    expect(clients).toEqual([]);
    expect(leftOut).toEqual([
      expect.stringMatching(/^Branch Office\.pqpk: left out, osk_organization and osk_label .* remove both/),
    ]);
  });

  test('one without a WireGuard key is left out, and that is said', () => {
    const { clients, leftOut } = read('[[peers]]\npublic_key = "branch.pqpk"\nkey_out = "out"\n');
    expect(clients).toEqual([]);
    expect(leftOut).toEqual(['branch.pqpk: left out, it names no WireGuard peer (device and peer)']);
  });
});
