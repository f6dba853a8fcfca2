import type { AeadName, AeadProvider } from '@labmesh/wireguard/aead/aead-provider';
import { chooseAead } from '@labmesh/wireguard/aead/choose-aead';

export type AeadRate = { name: AeadName; sealPerS: number; openPerS: number };

const packetBytes = 1424;
const slotBytes = 2048;
const slots = 64;
const roundMs = 400;

/** Runs `work` over and over for a while; gives calls a second. */
function rate(work: (index: number) => void): number {
  let calls = 0;
  const start = performance.now();
  while (performance.now() - start < roundMs) for (let index = 0; index < slots; index += 1, calls += 1) work(index);
  return (calls / (performance.now() - start)) * 1000;
}

function measure(aead: AeadProvider): AeadRate {
  const [key, nonce, buffer] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(slots * slotBytes)];
  const seal = (index: number) => aead.seal(key, nonce, buffer, index * slotBytes, packetBytes);
  // Opening works in place as well, so each round opens fresh copies.
  for (let index = 0; index < slots; index += 1) seal(index);
  const sealed = buffer.slice();
  const open = (index: number) => {
    if (index === 0) buffer.set(sealed);
    if (!aead.open(key, nonce, buffer, index * slotBytes, packetBytes + 16)) throw new Error('a packet did not open');
  };
  rate(open);
  const openPerS = rate(open);
  return { name: aead.name, sealPerS: rate(seal), openPerS };
}

/** Packets of 1,424 bytes a second, for each provider that runs here. */
export async function measureAead(): Promise<AeadRate[]> {
  const rates: AeadRate[] = [];
  for (const name of ['libcrypto', 'wasm'] as const) {
    const choice = await chooseAead(name).catch(() => undefined);
    if (choice !== undefined) rates.push(measure(choice.aead));
  }
  return rates;
}
