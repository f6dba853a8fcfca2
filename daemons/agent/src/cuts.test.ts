/** Acceptance 4, the agent's half: cuts anywhere lose no byte, double none and give no false end. LABMESH_CUTS sets how many. */
import { afterAll, expect, test } from 'bun:test';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CopyRecordReader, encodeCopyRecord } from '@labmesh/wire/frame/copy-record';
import { openSchema } from '@labmesh/wire/frame/open';
import { CutRig } from './testing/cut-rig.ts';

const cutsWanted = Number(process.env['LABMESH_CUTS'] ?? 60);
const top = mkdtempSync(join(tmpdir(), 'labmesh-cuts-'));
afterAll(() => rmSync(top, { recursive: true }));
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
const random = (size: number) => {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  return bytes;
};

/** Runs `once` over and over until so many cuts were made. */
async function underCuts(rig: CutRig, once: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; rig.cuts < cutsWanted; round++) await once(round);
  expect(rig.sessions.list().length).toBeLessThanOrEqual(1);
}

test('exec: stdin, stdout, stderr and the true exit', async () => {
  const rig = new CutRig();
  await underCuts(rig, async (round) => {
    const input = random(300_000);
    const shell = `tee /dev/stderr; exit ${round % 256}`;
    const opened = await rig.open(openSchema.parse({ kind: 'exec', server: 'x', shell }));
    const harassing = rig.harass(opened, cutsWanted);
    await opened.client.send(input);
    opened.channel.end(0);
    expect((await opened.client.closed).reason).toBe('ok');
    await harassing;
    expect(opened.client.out.equals(input)).toBe(true);
    expect(opened.client.err.equals(input)).toBe(true);
    expect(opened.client.exit).toMatchObject({ code: round % 256, signal: null, drained: true });
    expect(opened.client.exit?.sha256?.in).toBe(sha256(input));
  });
}, 120_000);

test('copy in: the file is whole and in place', async () => {
  const rig = new CutRig();
  await underCuts(rig, async (round) => {
    const folder = join(top, `in-${round}`);
    mkdirSync(folder);
    const content = random(400_000);
    const open = { kind: 'copy-in', server: 'x', path: folder, transfer: Bun.randomUUIDv7() };
    const opened = await rig.open(openSchema.parse(open));
    const harassing = rig.harass(opened, cutsWanted);
    await opened.client.send(encodeCopyRecord({ path: 'f', type: 'file', size: content.length }));
    await opened.client.send(content);
    for (const path of ['f', ''])
      await opened.client.send(encodeCopyRecord({ path, type: 'end', sha256: sha256(content) }));
    expect((await opened.client.closed).reason).toBe('ok');
    await harassing;
    expect(readFileSync(join(folder, 'f')).equals(content)).toBe(true);
    const [answer] = [...new CopyRecordReader().feed(opened.client.out)];
    expect(answer).toMatchObject({ record: { type: 'end', sha256: sha256(content) } });
  });
}, 120_000);

test('copy out: the stream is whole', async () => {
  const rig = new CutRig();
  const path = join(top, 'out');
  const content = random(700_000);
  writeFileSync(path, content);
  await underCuts(rig, async () => {
    const opened = await rig.open(openSchema.parse({ kind: 'copy-out', server: 'x', path }));
    const harassing = rig.harass(opened, cutsWanted);
    expect((await opened.client.closed).reason).toBe('ok');
    await harassing;
    const items = [...new CopyRecordReader().feed(new Uint8Array(opened.client.out))];
    const bytes = Buffer.concat(items.map((item) => (item.kind === 'bytes' ? item.bytes : new Uint8Array())));
    expect(bytes.equals(content)).toBe(true);
    expect(items.at(-1)).toMatchObject({ record: { type: 'end', size: content.length } });
  });
}, 120_000);

test('forward: both directions whole, ends in order', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address!.port : 0;
  const rig = new CutRig();
  await underCuts(rig, async () => {
    const content = random(400_000);
    const opened = await rig.open(openSchema.parse({ kind: 'forward', server: 'x', port }));
    const harassing = rig.harass(opened, cutsWanted);
    await opened.client.send(content);
    opened.channel.end(0);
    expect((await opened.client.closed).reason).toBe('ok');
    await harassing;
    expect(opened.client.out.equals(content)).toBe(true);
  });
  server.close();
}, 120_000);

test('logs: every line once', async () => {
  const rig = new CutRig({ logPaths: [`${top}/**`] });
  await underCuts(rig, async (round) => {
    const file = join(top, `${round}.log`);
    const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`);
    writeFileSync(file, `${lines.slice(0, 1500).join('\n')}\n`);
    const opened = await rig.open(openSchema.parse({ kind: 'logs', server: 'x', file, follow: true }));
    const harassing = rig.harass(opened, 20);
    for (let at = 1500; at < 3000; at += 100) {
      appendFileSync(file, `${lines.slice(at, at + 100).join('\n')}\n`);
      await Bun.sleep(2);
    }
    await opened.client.until((out) => out.includes('"line 2999"'));
    await harassing;
    opened.channel.close('cancelled');
    await opened.client.closed;
    const texts = opened.client.out
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((json) => (JSON.parse(json) as { text: string }).text);
    expect(texts).toEqual(lines);
  });
}, 120_000);
