/**
 * ChaCha20-Poly1305 (RFC 8439) in place: the one cipher of WireGuard. Three providers stand behind it (spec tunnel.md
 * R8); each must pass the known answers below before it seals a packet.
 */

export type AeadName = 'libcrypto' | 'wasm';

export const tagBytes = 16;
export const nonceBytes = 12;

export type AeadProvider = {
  readonly name: AeadName;
  /**
   * Encrypts `buffer[start, start + length)` where it lies and writes the tag into the 16 bytes behind it.
   * `key` has 32 bytes, `nonce` 12; the three arrays are not kept. Allocates nothing with libcrypto.
   * @throws RangeError when the buffer ends before the tag does.
   */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    buffer: Uint8Array,
    start: number,
    length: number,
    associated?: Uint8Array,
  ): void;
  /**
   * Opens `buffer[start, start + length)`, of which the last 16 bytes are the tag, where it lies. False: not authentic,
   * and the region then holds nothing of use.
   * @throws RangeError when the region is not inside the buffer or shorter than a tag.
   */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    buffer: Uint8Array,
    start: number,
    length: number,
    associated?: Uint8Array,
  ): boolean;
};

/** Every provider checks what it is given by this: native code reads and writes at bare addresses. */
export function checkRegion(
  key: Uint8Array,
  nonce: Uint8Array,
  buffer: Uint8Array,
  start: number,
  lengthWithTag: number,
): void {
  if (key.length !== 32 || nonce.length !== nonceBytes) throw new RangeError('key of 32 and nonce of 12 bytes');
  const inside = start >= 0 && lengthWithTag >= tagBytes && start + lengthWithTag <= buffer.length;
  if (!inside || !Number.isSafeInteger(start) || !Number.isSafeInteger(lengthWithTag)) {
    throw new RangeError('region outside of the buffer');
  }
}

type KnownAnswer = { key: string; nonce: string; associated: string; plain: string; sealed: string };

/** RFC 8439: the example of 2.8.2 and the decryption vector of A.5. */
const knownAnswers: readonly KnownAnswer[] = [
  {
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    nonce: '070000004041424344454647',
    associated: '50515253c0c1c2c3c4c5c6c7',
    plain:
      '4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a20496620492063' +
      '6f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73' +
      '637265656e20776f756c642062652069742e',
    sealed:
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b' +
      '1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
      '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691',
  },
  {
    key: '1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0',
    nonce: '000000000102030405060708',
    associated: 'f33388860000000000004e91',
    plain:
      '496e7465726e65742d4472616674732061726520647261667420646f63756d656e74732076616c696420666f72206120' +
      '6d6178696d756d206f6620736978206d6f6e74687320616e64206d617920626520757064617465642c207265706c6163' +
      '65642c206f72206f62736f6c65746564206279206f7468657220646f63756d656e747320617420616e792074696d652e' +
      '20497420697320696e617070726f70726961746520746f2075736520496e7465726e65742d4472616674732061732072' +
      '65666572656e6365206d6174657269616c206f7220746f2063697465207468656d206f74686572207468616e20617320' +
      '2fe2809c776f726b20696e2070726f67726573732e2fe2809d',
    sealed:
      '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0' +
      'bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855' +
      '9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9' +
      '9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a' +
      '0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130' +
      '305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f38',
  },
];

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

function passes(provider: AeadProvider, answer: KnownAnswer): boolean {
  const [key, nonce, associated] = [bytes(answer.key), bytes(answer.nonce), bytes(answer.associated)];
  const [plain, sealed] = [bytes(answer.plain), bytes(answer.sealed)];
  // Off the start, so that a provider that ignores `start` fails.
  const buffer = new Uint8Array(sealed.length + 8);
  buffer.set(plain, 8);
  provider.seal(key, nonce, buffer, 8, plain.length, associated);
  if (!Buffer.from(sealed).equals(buffer.subarray(8))) return false;
  if (!provider.open(key, nonce, buffer, 8, sealed.length, associated)) return false;
  if (!Buffer.from(plain).equals(buffer.subarray(8, 8 + plain.length))) return false;
  return refusesForgeries(provider, key, nonce, associated, sealed);
}

function refusesForgeries(
  provider: AeadProvider,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): boolean {
  for (const at of [0, sealed.length - 1]) {
    const forged = sealed.slice();
    forged[at] = (forged[at] ?? 0) ^ 1;
    if (provider.open(key, nonce, forged, 0, forged.length, associated)) return false;
  }
  return !provider.open(key, nonce, sealed.slice(), 0, sealed.length);
}

/** Whether the provider gives RFC 8439's answers, both ways, and refuses what was changed. */
export function passesKnownAnswers(provider: AeadProvider): boolean {
  return knownAnswers.every((answer) => passes(provider, answer));
}
