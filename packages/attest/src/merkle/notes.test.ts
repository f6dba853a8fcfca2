/** The texts of the log: notes, checkpoints, proofs. */
import { describe, expect, test } from 'bun:test';
import { createPrivateKey } from 'node:crypto';
import fc from 'fast-check';
import { concatBytes, utf8 } from '../bytes/bytes.ts';
import { publicKeyFromRaw, rawEd25519 } from '../keys/public-key.ts';
import { generateSigner, signerFromPkcs8 } from '../keys/signing-key.ts';
import { refusalOf } from '../testing/refusal.ts';
import { decimalOf, openCheckpoint, signCheckpoint } from './checkpoint.ts';
import { entryBytes, type LogEntry } from './log-entry.ts';
import { emptyRoot, leafHash } from './merkle-tree.ts';
import { noteKeyId, openNote, signNote } from './signed-note.ts';
import { parseProof, proofText, verifyProof } from './tlog-proof.ts';

const signer = generateSigner();
const origin = 'labmesh.example/log';
const log = { origin, key: signer.publicKey };

const entry: LogEntry = {
  v: 1,
  kind: 'certificate',
  id: 'cert-1',
  sha256: '00'.repeat(32),
  time: '2026-03-01T12:00:00.000Z',
};

describe('notes', () => {
  test('the key id that is known (spec CT9)', () => {
    const seed = new Uint8Array(32).fill(1);
    const pkcs8 = concatBytes(Uint8Array.fromHex('302e020100300506032b657004220420'), seed);
    const key = signerFromPkcs8(pkcs8).publicKey;
    expect(createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }).asymmetricKeyType).toBe(
      'ed25519',
    );
    expect(noteKeyId(origin, key).toHex()).toBe('aba8fa3c');
  });

  test('the key id of a key that golang.org/x/mod/sumdb/note documents', () => {
    const key = publicKeyFromRaw(Uint8Array.fromBase64('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW').slice(1));
    expect(noteKeyId('PeterNeumann', key).toHex()).toBe('c74f20a3');
  });

  const text = 'first\n\nlast\n';
  test('are signed as text with its last newline; the last empty line divides', async () => {
    const note = await signNote(text, origin, signer);
    expect(await openNote(utf8(note), origin, signer.publicKey)).toBe(text);
  });

  test('signatures of others are passed over, false ones of our own are not', async () => {
    const note = await signNote(text, origin, signer);
    const other = generateSigner();
    const witness = (await signNote(text, 'witness.example', other)).split('\n').at(-2) ?? '';
    const forged = (await signNote('other\n', origin, signer)).split('\n').at(-2) ?? '';
    expect(await openNote(utf8(`${note}${witness}\n`), origin, signer.publicKey)).toBe(text);
    expect(await refusalOf(() => openNote(utf8(`${note}${forged}\n`), origin, signer.publicKey))).toBe('SIGNATURE_BAD');
    // Of another key under our name: not ours.
    const renamed = await signNote(text, origin, other);
    expect(await refusalOf(() => openNote(utf8(renamed), origin, signer.publicKey))).toBe('SIGNATURE_BAD');
    expect(await refusalOf(() => openNote(utf8(note), 'other.example', signer.publicKey))).toBe('SIGNATURE_BAD');
  });

  test('a changed byte, anywhere, opens no other text', async () => {
    const note = utf8(await signNote('origin\n5\n', origin, signer));
    for (let at = 0; at < note.length; at++) {
      for (const bit of [1, 2, 32, 128]) {
        const changed = new Uint8Array(note);
        changed[at] = (changed[at] ?? 0) ^ bit;
        expect(await refusalOf(() => openNote(changed, origin, signer.publicKey))).toBeDefined();
      }
    }
  });

  test('what is no note is refused', async () => {
    const note = await signNote(text, origin, signer);
    const many = `${note}${'— a bm9ub25vbm9u\n'.repeat(64)}`;
    for (const bad of [
      '',
      '\n',
      '\n\n',
      note.slice(0, -1),
      `${note}\n`,
      note.replace('— ', '- '),
      note.replace('\n', '\r\n'),
      many,
    ]) {
      expect(await refusalOf(() => openNote(utf8(bad), origin, signer.publicKey))).toBe('NOTE_BAD');
    }
    expect(await refusalOf(() => openNote(new Uint8Array(16_385), origin, signer.publicKey))).toBe('TOO_LARGE');
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u00a0b', 'x'.repeat(201)]) {
      expect(await refusalOf(() => signNote(text, name, signer))).toBe('NOTE_BAD');
    }
  });
});

describe('checkpoints', () => {
  const head = { size: 20_852_163, root: leafHash(utf8('x')) };

  test('go there and back', async () => {
    const note = await signCheckpoint(origin, head, signer);
    expect(note.split('\n').slice(0, 3)).toEqual([origin, '20852163', head.root.toBase64()]);
    expect(await openCheckpoint(utf8(note), log)).toEqual(head);
  });

  test.each([
    ['another origin', `other.example/log\n1\n${emptyRoot().toBase64()}\n`],
    ['a leading zero', `${origin}\n01\n${emptyRoot().toBase64()}\n`],
    ['a sign', `${origin}\n+1\n${emptyRoot().toBase64()}\n`],
    ['a size beyond 2^53', `${origin}\n9007199254740993\n${emptyRoot().toBase64()}\n`],
    ['no root', `${origin}\n1\n`],
    ['a short root', `${origin}\n1\nAAAA\n`],
    ['an empty line', `${origin}\n1\n${emptyRoot().toBase64()}\n\nmore\n`],
  ])('signed, and yet refused: %s', async (_, text) => {
    const note = await signNote(text, origin, signer);
    expect(['CHECKPOINT_BAD', 'BASE64_BAD']).toContain((await refusalOf(() => openCheckpoint(utf8(note), log))) ?? '');
  });

  test('extension lines are passed over', async () => {
    const note = await signNote(`${origin}\n7\n${head.root.toBase64()}\nmore of it\n`, origin, signer);
    expect(await openCheckpoint(utf8(note), log)).toEqual({ ...head, size: 7 });
  });

  test('any text is a checkpoint or refused by name', async () => {
    const note = await signCheckpoint(origin, head, signer);
    const part = fc.constantFrom('\n', '\n\n', '— ', origin, '7', head.root.toBase64(), ' ', 'AAAA', '\0', 'é');
    const changed = fc.tuple(fc.nat({ max: note.length }), fc.nat({ max: 60 }), fc.array(part, { maxLength: 3 }));
    const built = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(fc.oneof(built, changed, fc.uint8Array()), async (input) => {
        const text = Array.isArray(input)
          ? note.slice(0, input[0]) + input[2].join('') + note.slice(input[0] + input[1])
          : input;
        const bytes = typeof text === 'string' ? utf8(text) : new Uint8Array(text);
        expect((await refusalOf(() => openCheckpoint(bytes, log))) === undefined).toBe(text === note);
      }),
      { numRuns: 1500 },
    );
  });

  test('decimals have one form', () => {
    expect(['0', '7', '9007199254740991'].map(decimalOf)).toEqual([0, 7, 2 ** 53 - 1]);
    for (const text of ['', '00', '07', '-1', '1.0', '1e3', ' 1', '0x1', '9007199254740992', '١']) {
      expect(decimalOf(text)).toBeUndefined();
    }
  });
});

describe('proofs', () => {
  const leaf = entryBytes(entry);
  const alone = async () => {
    const checkpoint = await signCheckpoint(origin, { size: 1, root: leafHash(leaf) }, signer);
    return { entry: leaf, index: 0, path: [], checkpoint };
  };

  test('of a log with one entry', async () => {
    const proof = await alone();
    const text = proofText(proof);
    expect(text.split('\n').slice(0, 4)).toEqual(['c2sp.org/tlog-proof@v1', `extra ${leaf.toBase64()}`, 'index 0', '']);
    expect(parseProof(text)).toEqual(proof);
    expect(await verifyProof(text, log)).toEqual({ entry, index: 0, head: { size: 1, root: leafHash(leaf) } });
  });

  test('what is no proof is refused', async () => {
    const text = proofText(await alone());
    for (const bad of [
      '',
      text.replace('@v1', '@v2'),
      text.replace('extra ', 'Extra '),
      text.replace('index 0', 'index 00'),
      text.replace('index 0', 'index 1'),
      text.replace('index 0\n', 'index 0\nAAAA\n'),
      text.replace('index 0\n', `index 0\n${emptyRoot().toBase64()}\n`),
      text.replace('index 0\n', `index 0\n${`${emptyRoot().toBase64()}\n`.repeat(54)}`),
      text.replace(/extra .*\n/, ''),
      text.replace(/extra .*\n/, 'extra e30=\n'),
      text.split('\n\n')[0] ?? '',
    ]) {
      expect(await refusalOf(() => verifyProof(bad, log))).toBe('LOG_PROOF_BAD');
    }
    const stranger = { origin, key: publicKeyFromRaw(rawEd25519(generateSigner().publicKey)) };
    expect(await refusalOf(() => verifyProof(text, stranger))).toBe('SIGNATURE_BAD');
    expect(await refusalOf(() => parseProof('x'.repeat(20_000)))).toBe('TOO_LARGE');
  });

  test('whatever it is, it is refused by name', async () => {
    const text = proofText(await alone());
    const cut = fc.tuple(fc.nat({ max: text.length }), fc.nat({ max: 9 }), fc.string({ maxLength: 6 }));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), cut), async (change) => {
        const input =
          typeof change === 'string'
            ? change
            : text.slice(0, change[0]) + change[2] + text.slice(change[0] + change[1]);
        const refused = await refusalOf(() => verifyProof(input, log));
        expect(refused === undefined).toBe(input === text);
      }),
      { numRuns: 1500 },
    );
  });
});
