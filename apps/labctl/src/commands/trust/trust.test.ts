import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCsr } from '@labmesh/pki/csr';
import { certificatesIn } from '@labmesh/pki/der/pem';
import { readCertificate } from '@labmesh/pki/der/read-certificate';
import { writeRootFile } from '@labmesh/pki/issue/root-file';
import { generateKey } from '@labmesh/pki/keys';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { nextPhase } from '../../fleet/ca-text.ts';
import { failed, type FleetGround, openFleetGround } from '../../testing/fleet-ground.ts';
import { at, auditRow, caStatus, id, pageOf } from '../../testing/fleet-samples.ts';

let ground: FleetGround;
beforeAll(async () => (ground = await openFleetGround()));
afterAll(() => ground[Symbol.asyncDispose]());
beforeEach(() => void (ground.labd.asked.length = 0));
const file = (name: string, text: string) => {
  const path = join(ground.home, name);
  writeFileSync(path, text);
  return path;
};

describe('ca', () => {
  test('status: phase, pins, who is behind, keys', async () => {
    const behind = Array.from({ length: 25 }, (_, n) => `web-${n}`);
    ground.on('GET /api/ca', caStatus({ phase: 'init', behind, warnings: ['root x ends soon'] }));
    const { stdout } = await ground.labctl('ca status');
    expect(stdout).toContain('Phase         init, since 10h ago\n');
    expect(stdout).toContain('Next          update_clients: sign certificates of clients');
    expect(stdout).toContain('              web-19\n              … and 5 more\n');
    expect(stdout).toContain('Warnings      root x ends soon\n');
    expect(stdout).toContain('\nKEY  ');
    expect((JSON.parse((await ground.labctl('ca status -o json')).stdout) as { behind: string[] }).behind).toEqual(
      behind,
    );
  });

  test('CA-10 rotate: the next phase, asked for by its name', async () => {
    ground.on('GET /api/ca', caStatus({ phase: 'init', behind: ['web-1'] }));
    ground.on('POST /api/ca/rotation', ({ body }) => ({ json: caStatus({ phase: JSON.parse(body).to }) }));
    const found = await ground.labctl('ca rotate', { answers: ['update_clients'] });
    expect(found.questions[0]).toContain('from init to update_clients');
    expect(found.questions[0]).toContain('1 agents are behind');
    expect(found.stderr).toContain('the CA is in phase update_clients now');
    await ground.labctl('ca rotate --to update_servers --force --yes');
    ground.on('POST /api/ca/rotation', caStatus());
    await ground.labctl('ca rotate --rollback --yes');
    expect(ground.bodies('POST /api/ca/rotation')).toEqual([
      { to: 'update_clients', force: false },
      { to: 'update_servers', force: true },
      { to: 'rollback', force: false },
    ]);
    expect((await ground.labctl('ca rotate')).exitCode).toBe(2);
    expect((await ground.labctl('ca rotate --to init --rollback')).exitCode).toBe(2);
    ground.on('POST /api/ca/rotation', () => failed('CA_PHASE', 409));
    expect((await ground.labctl('ca rotate --yes')).exitCode).toBe(8);
  });

  test('the phases follow each other in a ring', () => {
    expect(['standby', 'init', 'update_clients', 'update_servers'].map((phase) => nextPhase(phase as 'init'))).toEqual([
      'init',
      'update_clients',
      'update_servers',
      'standby',
    ]);
  });

  test('CA-2 sign-intermediate works on the root file alone, and labd takes what comes of it', async () => {
    const ca = await sampleCa();
    const rootPath = join(ground.home, 'root.pem');
    await writeRootFile(rootPath, ca.root.key, ca.root.certificate, { trustDomain: 'lab.internal', dnsNames: ['lab'] });
    const key = await generateKey();
    const csr = file('request.pem', await createCsr(key));
    const { exitCode, stdout, stderr } = await ground.labctl(`ca sign-intermediate ${rootPath} ${csr} --days 30`);
    expect(exitCode).toBe(0);
    const [der] = certificatesIn(stdout);
    const made = readCertificate(der ?? new Uint8Array());
    expect([made.isCa, made.keyHash]).toEqual([true, key.keyHash]);
    expect(Math.round((made.notAfter - Date.now()) / 86_400_000)).toBe(30);
    expect(stderr).toContain('signed for lab.internal by root sha256:');
    expect(ground.asked()).toEqual([]);
    ground.on('POST /api/ca/intermediate', { csrPem: null, status: caStatus() });
    const installed = await ground.labctl(`ca renew-intermediate ${file('made.pem', stdout)}`);
    expect(installed.stderr).toBe('the new issuing certificate is in use\n');
    expect(ground.bodies('POST /api/ca/intermediate')).toEqual([{ certificatePem: stdout }]);
  });

  test('renew-intermediate with an offline root prints the request', async () => {
    ground.on('POST /api/ca/intermediate', { csrPem: 'CSR\n', status: caStatus({ rootMode: 'offline' }) });
    const { stdout, stderr } = await ground.labctl('ca renew-intermediate');
    expect([stdout, stderr]).toEqual(['CSR\n', expect.stringContaining('the root is offline')]);
  });

  test.each([
    ['ca sign-intermediate', 'the root file is missing'],
    ['ca sign-intermediate /dev/null', 'the request is missing'],
    ['ca sign-intermediate /dev/null /dev/null', '/dev/null: this is not a labmesh root file'],
    ['ca sign-intermediate /none /dev/null', '/none cannot be read (ENOENT)'],
    ['ca renew-intermediate /dev/null', '/dev/null is not a certificate'],
  ])('exit 2: labctl %s', async (words, problem) => {
    const { exitCode, stderr } = await ground.labctl(words);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(problem);
  });

  test('a text that is no request is refused', async () => {
    const ca = await sampleCa();
    const rootPath = join(ground.home, 'root-2.pem');
    await writeRootFile(rootPath, ca.root.key, ca.root.certificate, { trustDomain: 'lab.internal', dnsNames: [] });
    const { exitCode, stderr } = await ground.labctl(`ca sign-intermediate ${rootPath} ${file('no.pem', 'x')}`);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('(VALIDATION_FAILED)')]);
  });
});

describe('secrets (SE-3)', () => {
  test('list and rotate', async () => {
    const key = (name: string, state: string) => ({ id: name, state, createdAt: at(-90), updatedAt: at(-9) });
    ground.on('GET /api/secrets/keys', pageOf(key('k1', 'active'), key('k0', 'retiring')));
    expect((await ground.labctl('secrets list')).stdout).toContain('k0   retiring  1h ago   9m ago\n');
    ground.on('POST /api/secrets/rotate', { keyId: 'k2', state: 'staged' });
    const { stdout, stderr } = await ground.labctl('secrets rotate', { answers: ['rotate'] });
    expect(stdout).toBe('Key    k2\nState  staged\n');
    expect(stderr).toContain('it waits until every live replica has it');
    expect(stderr).toContain("back labd's key file up again");
    expect((await ground.labctl('secrets rotate')).exitCode).toBe(2);
  });
});

describe('audit (AU-7)', () => {
  test('list: filters, and pages until there are enough rows', async () => {
    const pages = [
      { items: [auditRow(9), auditRow(8)], nextCursor: 'c1' },
      { items: [], nextCursor: 'c2' },
      { items: [auditRow(7)], nextCursor: null },
    ];
    ground.on('GET /api/audit', () => ({ json: pages.shift() ?? pageOf() }));
    const words = 'audit list --action create-token --principal user:alice --resource x --result ok --since 2026-01-01';
    const { stdout } = await ground.labctl(`${words} -o ndjson`);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { seq: number }).seq),
    ).toEqual([9, 8, 7]);
    const filters =
      'action=create-token&principal=user%3Aalice&resource=x&result=ok&since=2026-01-01T00%3A00%3A00.000Z';
    expect(ground.asked()).toEqual([
      `GET /api/audit?${filters}&limit=100`,
      `GET /api/audit?${filters}&limit=98&cursor=c1`,
      `GET /api/audit?${filters}&limit=98&cursor=c2`,
    ]);
    expect((await ground.labctl('audit list')).stderr).toBe('no rows\n');
  });

  test('list: what is cut off is told, and the cursor stands in the JSON', async () => {
    ground.on('GET /api/audit', { items: [auditRow(9), auditRow(8)], nextCursor: 'c1' });
    const { stdout, stderr } = await ground.labctl('audit list --limit 2 -o json');
    expect((JSON.parse(stdout) as { nextCursor: string }).nextCursor).toBe('c1');
    expect(stderr).toContain('there are more; --limit 20 shows more');
    expect((await ground.labctl('audit list --result maybe')).exitCode).toBe(2);
  });

  const chain = (fault: object | null) => ({ chain: id(9), rows: 42, fromSeq: 1, toSeq: 42, fault });

  test('verify: exit 0, or 1 with seq and kind', async () => {
    ground.on('POST /api/audit/verify', { ok: true, chains: [chain(null)] });
    expect(await ground.labctl('audit verify')).toMatchObject({
      exitCode: 0,
      stderr: '42 rows are as they were written\n',
    });
    ground.on('POST /api/audit/verify', { ok: false, chains: [chain({ seq: 7, kind: 'edited' })] });
    const bad = await ground.labctl('audit verify');
    expect(bad.exitCode).toBe(1);
    expect(bad.stderr).toBe(`error: chain ${id(9)}: edited at seq 7\n`);
    expect(bad.stdout).toContain('edited at seq 7');
    const json = await ground.labctl('audit verify -o json');
    expect([json.exitCode, (JSON.parse(json.stdout) as { ok: boolean }).ok]).toEqual([1, false]);
  });

  test('verify: chain, start and a checkpoint kept elsewhere', async () => {
    const path = file('checkpoint.json', '{"body":"{}","signature":"x"}');
    await ground.labctl(`audit verify --chain ${id(9)} --from 5 --checkpoint ${path}`);
    expect(ground.bodies('POST /api/audit/verify')).toEqual([
      { chain: id(9), from: 5, checkpoint: '{"body":"{}","signature":"x"}' },
    ]);
    expect((await ground.labctl('audit verify --checkpoint /none')).stderr).toContain('/none cannot be read (ENOENT)');
    const large = file('large', 'x'.repeat(70_000));
    expect((await ground.labctl(`audit verify --checkpoint ${large}`)).stderr).toContain('is larger than 65536');
  });

  test('export: the lines as they come, and nothing else on stdout', async () => {
    const lines = '{"seq":1,"x":"ü"}\n{"seq":2}\n';
    ground.on('GET /api/audit/export', () => ({ text: lines }));
    expect(await ground.labctl('audit export --since 7d')).toMatchObject({ stdout: lines, stderr: '2 rows\n' });
    expect(ground.asked()[0]).toStartWith('GET /api/audit/export?since=');
  });
});
