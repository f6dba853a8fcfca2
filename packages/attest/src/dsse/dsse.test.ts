import { describe, expect, test } from 'bun:test';
import { createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { publicKeyFromSpki } from '../keys/public-key.ts';
import { generateSigner } from '../keys/signing-key.ts';
import { refusalOf } from '../testing/refusal.ts';
import { type Envelope, pae, readEnvelope, signEnvelope } from './envelope.ts';
import { verifyEnvelope } from './verify-envelope.ts';

const type = 'application/x-test+json';
const body = utf8('{"a":1}');
const [one, two, three] = [generateSigner(), generateSigner(), generateSigner()];
const keysOf = (...signers: (typeof one)[]) => signers.map(({ publicKey }) => publicKey);

describe('the vectors of DSSE (spec CT9)', () => {
  const big = (decimal: string) => Uint8Array.fromHex(BigInt(decimal).toString(16).padStart(64, '0')).toBase64();
  const urlSafe = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const key = createPublicKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-256',
      x: urlSafe(big('46950820868899156662930047687818585632848591499744589407958293238635476079160')),
      y: urlSafe(big('5640078356564379163099075877009565129882514886557779369047442380624545832820')),
    },
  });
  const trusted = publicKeyFromSpki(key.export({ format: 'der', type: 'spki' }));
  const envelope = {
    payload: 'aGVsbG8gd29ybGQ=',
    payloadType: 'http://example.com/HelloWorld',
    signatures: [{ sig: 'A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==' }],
  };

  test('PAE', () => {
    const text = 'DSSEv1 29 http://example.com/HelloWorld 11 hello world';
    expect(pae('http://example.com/HelloWorld', utf8('hello world'))).toEqual(utf8(text));
    expect(pae('é', utf8('ü'))).toEqual(utf8('DSSEv1 2 é 2 ü'));
    expect(pae('', new Uint8Array(0))).toEqual(utf8('DSSEv1 0  0 '));
  });

  test('the signature of P-256, in either alphabet of base64, with fields nobody knows', async () => {
    for (const sig of [envelope.signatures[0]?.sig ?? '', urlSafe(envelope.signatures[0]?.sig ?? '')]) {
      const read = readEnvelope({ ...envelope, signatures: [{ sig, cert: 'x' }], more: 1 });
      const { signedBy } = await verifyEnvelope(read, envelope.payloadType, [trusted], 1);
      expect(signedBy).toEqual([trusted]);
    }
  });
});

test('PAE is never one text for two pairs', () => {
  const part = fc.string({ unit: fc.constantFrom(' ', '1', 'a', '0') });
  fc.assert(
    fc.property(part, part, part, part, (a, b, c, d) => {
      const same = Bun.deepEquals(pae(a, utf8(b)), pae(c, utf8(d)));
      expect(same).toBe(a === c && b === d);
    }),
    { numRuns: 3000 },
  );
});

describe('t of n', () => {
  const verify = (envelope: Envelope, keys: ReturnType<typeof keysOf>, threshold: number) =>
    verifyEnvelope(envelope, type, keys, threshold);

  test('counts keys, not signatures', async () => {
    const signed = readEnvelope(await signEnvelope(type, body, [one, one, one]));
    expect((await verify(signed, keysOf(one, two), 1)).signedBy).toEqual(keysOf(one));
    expect(await refusalOf(() => verify(signed, keysOf(one, two), 2))).toBe('SIGNATURE_BAD');
    const both = readEnvelope(await signEnvelope(type, body, [one, two, three]));
    expect((await verify(both, keysOf(one, two), 2)).signedBy).toEqual(keysOf(one, two));
    expect(await refusalOf(() => verify(both, keysOf(one, two), 3))).toBe('SIGNATURE_BAD');
    expect(await refusalOf(() => verify(both, [], 1))).toBe('SIGNATURE_BAD');
  });

  test('a keyid is a hint: without one, or with a strange one, the right key is found', async () => {
    const { payload, payloadType, signatures } = await signEnvelope(type, body, [two]);
    for (const keyid of [undefined, '', 'key-7']) {
      const read = readEnvelope({ payload, payloadType, signatures: [{ ...signatures[0], keyid }] });
      expect((await verify(read, keysOf(one, two), 1)).signedBy).toEqual(keysOf(two));
    }
  });

  test("a keyid does not make a signature: a stranger's under a trusted name is refused", async () => {
    const { payload, payloadType, signatures } = await signEnvelope(type, body, [three]);
    const forged = [{ ...signatures[0], keyid: one.publicKey.keyid }];
    expect(
      await refusalOf(() => verify(readEnvelope({ payload, payloadType, signatures: forged }), keysOf(one), 1)),
    ).toBe('SIGNATURE_BAD');
    // Nor beside a good one, and not under the name of another trusted key either.
    const good = await signEnvelope(type, body, [one]);
    const swapped = [...good.signatures, { ...signatures[0], keyid: two.publicKey.keyid }];
    const read = readEnvelope({ payload, payloadType, signatures: swapped });
    expect(await refusalOf(() => verify(read, keysOf(one, two), 1))).toBe('SIGNATURE_BAD');
    const crossed = [{ ...good.signatures[0], keyid: two.publicKey.keyid }];
    const crossedRead = readEnvelope({ payload, payloadType, signatures: crossed });
    expect(await refusalOf(() => verify(crossedRead, keysOf(one, two), 1))).toBe('SIGNATURE_BAD');
  });

  test('another payload type is refused before anything else, and was not what was signed', async () => {
    const envelope = readEnvelope(await signEnvelope(type, body, [one]));
    expect(await refusalOf(() => verifyEnvelope(envelope, 'application/json', keysOf(one), 1))).toBe('PAYLOAD_TYPE');
    const retyped = { ...envelope, payloadType: 'application/json' };
    expect(await refusalOf(() => verifyEnvelope(retyped, 'application/json', keysOf(one), 1))).toBe('SIGNATURE_BAD');
  });
});

test('nobody is no signer', async () => {
  expect(await refusalOf(() => signEnvelope(type, body, []))).toBe('ENVELOPE_BAD');
});

describe('envelopes that are none', () => {
  const sig = new Uint8Array(64).toBase64();
  test.each([
    [null],
    [[]],
    ['{}'],
    [{}],
    [{ payloadType: type, payload: '', signatures: [] }],
    [{ payloadType: '', payload: '', signatures: [{ sig }] }],
    [{ payloadType: 7, payload: '', signatures: [{ sig }] }],
    [{ payloadType: type, payload: 7, signatures: [{ sig }] }],
    [{ payloadType: type, payload: '', signatures: { 0: { sig }, length: 1 } }],
    [{ payloadType: type, payload: '', signatures: [{ sig: 7 }] }],
    [{ payloadType: type, payload: '', signatures: [{ sig, keyid: 7 }] }],
    [{ payloadType: type, payload: '', signatures: [null] }],
    [{ payloadType: type, payload: '', signatures: Array.from({ length: 17 }, () => ({ sig })) }],
  ])('%j', async (value) => expect(await refusalOf(() => readEnvelope(value))).toBe('ENVELOPE_BAD'));

  test('whatever it is, it is read or refused', async () => {
    const text = fc.oneof(fc.base64String(), fc.string(), fc.jsonValue());
    const record = {
      payload: text,
      payloadType: text,
      signatures: fc.oneof(fc.array(fc.record({ sig: text, keyid: text })), text),
    };
    const value = fc.oneof(fc.jsonValue(), fc.record(record, { requiredKeys: [] }));
    await fc.assert(
      fc.asyncProperty(value, async (one) => {
        try {
          const read = readEnvelope(one);
          await verifyEnvelope(read, read.payloadType, keysOf(two), 1);
          expect.unreachable('nothing of this was signed');
        } catch (error) {
          expect(error).toBeInstanceOf(AttestRefused);
        }
      }),
      { numRuns: 500 },
    );
  });
});
