/** No byte of a certificate can change, go or come without the verdict turning (acceptance 5). */
import { beforeAll, describe, expect, test } from 'bun:test';
import { utf8 } from '../bytes/bytes.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { parseJson } from '../json/parse-json.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { type Trust, trustInKey } from '../keys/trust.ts';
import { sampleFile, sampleInput, sampleIssuer, sampleNow, sampleTrust } from '../testing/sample-certificate.ts';
import { certificateFile, issueCertificate } from './issue-certificate.ts';
import { verifyCertificate } from './verify-certificate.ts';

type Members = { [key: string]: Json };
const membersOf = (file: Uint8Array) => structuredClone(parseJson(file)) as Members;

let file: Uint8Array<ArrayBuffer>;
let trust: Trust;
const options = { now: sampleNow, revocationsUnknown: true };
const verdictOf = async (bytes: Uint8Array, by = trust) => (await verifyCertificate(bytes, by, options)).verdict;

beforeAll(async () => {
  const issuer = await sampleIssuer();
  file = await sampleFile(issuer);
  trust = sampleTrust(issuer);
});

test('as it was issued it is valid', async () => expect(await verdictOf(file)).toBe('valid'));

describe('with a byte of it changed it is not', () => {
  test('every bit of every byte, without the view for readers', async () => {
    const { statement: _, ...rest } = membersOf(file);
    const slim = canonicalBytes(rest);
    expect(await verdictOf(slim)).toBe('valid');
    for (let at = 0; at < slim.length; at++) {
      for (let bit = 1; bit < 256; bit *= 2) {
        const verdict = await verdictOf(slim.with(at, (slim[at] ?? 0) ^ bit));
        if (verdict !== 'invalid') expect.unreachable(`byte ${at} with bit ${bit}: ${verdict}`);
      }
    }
  }, 60_000);

  test('every byte of the whole file: changed, taken away, written twice', async () => {
    for (let at = 0; at < file.length; at++) {
      const [before, byte, after] = [file.subarray(0, at), file.subarray(at, at + 1), file.subarray(at + 1)];
      const changes = [
        file.with(at, (file[at] ?? 0) ^ 1),
        new Uint8Array([...before, ...after]),
        new Uint8Array([...before, ...byte, ...byte, ...after]),
      ];
      for (const [index, changed] of changes.entries()) {
        const verdict = await verdictOf(changed);
        if (verdict !== 'invalid') expect.unreachable(`byte ${at}, change ${index}: ${verdict}`);
      }
    }
  }, 60_000);

  test('cut anywhere', async () => {
    for (let end = 0; end < file.length; end += 5) expect(await verdictOf(file.subarray(0, end))).toBe('invalid');
  });

  test('a byte more at its end', async () => {
    for (const more of ['\n', ' ', '\0', '{}'])
      expect(await verdictOf(new Uint8Array([...file, ...utf8(more)]))).toBe('invalid');
  });
});

describe('with a part of it changed it is not', () => {
  const change = (edit: (members: Members) => void): Uint8Array => {
    const members = membersOf(file);
    edit(members);
    return canonicalBytes(members);
  };

  test('every field of the statement, in the payload and in the view alike', async () => {
    const statement = membersOf(file)['statement'] as Members;
    const paths: (string | number)[][] = [];
    const walk = (value: Json, path: (string | number)[]) => {
      if (typeof value !== 'object' || value === null) return void paths.push(path);
      for (const [key, member] of Object.entries(value)) walk(member as Json, [...path, key]);
    };
    walk(statement, []);
    expect(paths.length).toBeGreaterThan(60);
    for (const path of paths) {
      const changed = structuredClone(statement) as Json;
      const holder = path.slice(0, -1).reduce((at, key) => (at as Members)[key] as Json, changed) as Members;
      const key = path.at(-1) ?? '';
      const value = holder[key];
      holder[key] = typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${value as string}0`;
      const bytes = change((members) => {
        (members['dsse'] as Members)['payload'] = canonicalBytes(changed).toBase64();
        members['statement'] = changed;
      });
      expect([path.join('.'), await verdictOf(bytes)]).toEqual([path.join('.'), 'invalid']);
    }
  });

  test('a field more, a field less', async () => {
    for (const key of ['mediaType', 'dsse', 'tlog_proof']) {
      const bytes = change((members) => void delete members[key]);
      expect([key, await verdictOf(bytes)]).toEqual([key, 'invalid']);
    }
    expect(await verdictOf(change((members) => void (members['more'] = 1)))).toBe('invalid');
    expect(await verdictOf(change((members) => void ((members['dsse'] as Members)['more'] = 1)))).toBe('invalid');
    // These two are for readers: without them less is proven, and nothing else than before.
    for (const key of ['salt', 'statement'])
      expect(await verdictOf(change((members) => void delete members[key]))).toBe('valid');
  });

  test('salt and statement of another certificate', async () => {
    const issuer = await sampleIssuer();
    const other = membersOf(await sampleFile(issuer, sampleInput({ certificate_id: 'cert-2' })));
    for (const key of ['salt', 'statement', 'tlog_proof', 'dsse']) {
      const bytes = change((members) => void (members[key] = other[key] as Json));
      expect([key, await verdictOf(bytes)]).toEqual([key, 'invalid']);
    }
  });
});

test('with two signers, none of the bytes of either signature may change', async () => {
  const [one, two] = [generateSigner(), generateSigner()];
  const issued = await issueCertificate(sampleInput(), [one, two]);
  const bytes = certificateFile(issued, undefined);
  const keys = [one, two].flatMap(({ publicKey }) => trustInKey(publicKey).keys);
  const both: Trust = { keys, log: undefined, threshold: 1 };
  expect(await verdictOf(bytes, both)).toBe('valid');
  const text = new TextDecoder().decode(bytes);
  const from = text.indexOf('"signatures"');
  const end = text.indexOf(']', from);
  for (let at = from; at < end; at++) {
    expect([at, await verdictOf(bytes.with(at, (bytes[at] ?? 0) ^ 1), both)]).toEqual([at, 'invalid']);
  }
});
