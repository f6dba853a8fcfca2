import { type AeadName, type AeadProvider, passesKnownAnswers } from './aead-provider.ts';
import { openLibcryptoAead } from './libcrypto-aead.ts';
import { openSodiumAead } from './sodium-aead.ts';

export type AeadChoice = { aead: AeadProvider; rejected: { name: AeadName; reason: string }[] };

type Opener = () => AeadProvider | Promise<AeadProvider>;
export type AeadOpeners = Readonly<Record<AeadName, Opener>>;

/** Fastest first. */
const openers: AeadOpeners = {
  libcrypto: () => openLibcryptoAead(),
  wasm: openSodiumAead,
};

async function tryOpen(name: AeadName, open: Opener): Promise<AeadProvider | string> {
  try {
    const aead = await open();
    return passesKnownAnswers(aead) ? aead : 'gave a wrong answer to a test vector of RFC 8439';
  } catch (error) {
    return error instanceof Error ? error.message : `${name} did not start`;
  }
}

/**
 * The first provider that gives the right answers, or the pinned one, with why the others before it were passed over
 * (spec tunnel.md R8).
 * @throws Error naming each candidate and its reason when none is left.
 */
export async function chooseAead(pinned: AeadName | 'auto' = 'auto', from: AeadOpeners = openers): Promise<AeadChoice> {
  const names = pinned === 'auto' ? (Object.keys(from) as AeadName[]) : [pinned];
  const rejected: AeadChoice['rejected'] = [];
  for (const name of names) {
    const found = await tryOpen(name, from[name]);
    if (typeof found !== 'string') return { aead: found, rejected };
    rejected.push({ name, reason: found });
  }
  const reasons = rejected.map((one) => `${one.name}: ${one.reason}`).join('; ');
  throw new Error(`no ChaCha20-Poly1305 here: ${reasons}`);
}
