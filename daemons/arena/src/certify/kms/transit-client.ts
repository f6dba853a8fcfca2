/**
 * Keys in a service with the HTTP API of Vault Transit (HashiCorp Vault, OpenBao): ed25519 keys that cannot be exported.
 *
 *     GET  /v1/MOUNT/keys/NAME          type, newest version, public keys
 *     POST /v1/MOUNT/keys/NAME/rotate   makes the next version
 *     POST /v1/MOUNT/sign/NAME          {input, key_version} → vault:vN:BASE64
 *
 * It asks the service that is set and no other: no redirect is followed, no proxy is used. Calls, their time and their answers
 * have bounds. Nothing that the service answers gets into a log or an error beside its status code.
 */
import { readFile } from 'node:fs/promises';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import type { Kms, KmsKey } from '@labmesh/attest/keys/kms';
import { type PublicKey, publicKeyFromRaw } from '@labmesh/attest/keys/public-key';
import { HttpPool } from '@labmesh/kit/http/client';
import { FetchError, fetchWhole, type WholeAnswer } from '@labmesh/kit/http/fetch-whole';
import { parseJson } from '@labmesh/kit/parse-json';
import { z } from 'zod';
import type { KmsSettings } from './kms-settings.ts';

export const transitLimits = {
  /** Of one call, with connecting. */
  callMs: 10_000,
  answerBytesMax: 256 * 1024,
  /** Calls at a time; one more is refused. */
  callsMax: 64,
  tokenBytesMax: 4_096,
} as const;

const away = (what: string) => new AttestRefused('KMS_AWAY', `the key management service ${what}`);
const refused = (what: string) => new AttestRefused('KMS_REFUSED', `the key management service ${what}`);
const bad = (what: string) => new AttestRefused('KMS_BAD_ANSWER', `the key management service ${what}`);

const keySchema = z.object({
  data: z.object({
    type: z.string(),
    derived: z.boolean().optional(),
    latest_version: z.int().min(1),
    keys: z.record(z.string(), z.unknown()),
  }),
});
const versionSchema = z.object({ public_key: z.base64().max(100) });
const signatureSchema = z.object({
  data: z.object({ signature: z.string().regex(/^vault:v\d{1,9}:[A-Za-z0-9+/]{86}==$/) }),
});

/** What a status says of us and of it. Neither its text nor the token is told. */
function checkStatus({ status }: WholeAnswer, what: string): void {
  if (status === 200 || status === 204) return;
  if (status === 429 || status >= 500) throw away(`is not able to ${what} now (HTTP ${status}); a sealed one says 503`);
  if (status < 400) throw refused(`points elsewhere to ${what} (HTTP ${status}): name the one that is active`);
  if (status === 404) throw refused(`has no such key or mount to ${what} (HTTP 404)`);
  throw refused(`does not let us ${what} (HTTP ${status}): look at the token and its policy`);
}

export class TransitClient implements Kms {
  readonly #settings: KmsSettings;
  /** A connection each call: a call that broke off must not be sent again behind our back. */
  readonly #pool = new HttpPool({ idlePerOriginMax: 0 });
  #calls = 0;

  constructor(settings: KmsSettings) {
    this.#settings = settings;
  }

  async next(use: string, isKnown: (key: PublicKey) => boolean): Promise<KmsKey & { publicKey: PublicKey }> {
    const key = `${this.#settings.key}-${use}`;
    const newest = await this.#newest(key);
    if (!isKnown(newest.publicKey)) return newest;
    await this.#ask(`make the next version of ${key}`, `keys/${key}/rotate`, {});
    return await this.#newest(key);
  }

  async sign({ key, version }: KmsKey, message: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const body = { input: Buffer.from(message).toString('base64'), key_version: version };
    const answer = signatureSchema.safeParse(
      await this.#ask(`sign with ${key}`, `sign/${encodeURIComponent(key)}`, body),
    );
    if (!answer.success) throw bad('answers what is no Ed25519 signature');
    const [, signedBy = '', signature = ''] = answer.data.data.signature.split(':');
    if (signedBy !== `v${version}`) throw bad(`signed with another version of ${key} than it was asked for`);
    return Uint8Array.fromBase64(signature);
  }

  async #newest(key: string): Promise<KmsKey & { publicKey: PublicKey }> {
    const answer = keySchema.safeParse(await this.#ask(`read the key ${key}`, `keys/${key}`));
    if (!answer.success) throw bad(`answers what is no key ${key}`);
    const { type, derived, latest_version: version, keys } = answer.data.data;
    if (type !== 'ed25519' || derived === true) throw refused(`has ${key}, and not as a plain key of type ed25519`);
    const found = versionSchema.safeParse(keys[`${version}`]);
    if (!found.success) throw bad(`does not tell the public key of ${key}`);
    return { key, version, publicKey: rawKey(found.data.public_key) };
  }

  /** POST with a body, else GET. @throws AttestRefused KMS_AWAY, KMS_REFUSED, KMS_BAD_ANSWER */
  async #ask(what: string, path: string, body?: object): Promise<unknown> {
    if (this.#calls >= transitLimits.callsMax) throw away(`is asked ${transitLimits.callsMax} things already`);
    this.#calls++;
    try {
      const answer = await this.#send(path, body, await this.#token());
      checkStatus(answer, what);
      return parseJson(new TextDecoder().decode(answer.body));
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      const isNonsense = error.code === 'INVALID' || error.code === 'BODY_TOO_LARGE';
      throw isNonsense ? bad('answers no HTTP, or too much') : away(`is not reached (${error.code})`);
    } finally {
      this.#calls--;
    }
  }

  #send(path: string, body: object | undefined, token: string | undefined): Promise<WholeAnswer> {
    const { origin, mount } = this.#settings;
    return fetchWhole(this.#pool, origin, {
      path: `/v1/${mount}/${path}`,
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'content-type': 'application/json',
        // An agent may ask for it, so that no page in a browser can use it.
        'x-vault-request': 'true',
        ...(token !== undefined && { 'x-vault-token': token }),
      },
      ...(body !== undefined && { body: new TextEncoder().encode(JSON.stringify(body)) }),
      timeoutMs: transitLimits.callMs,
      bytesMax: transitLimits.answerBytesMax,
    });
  }

  /** As it stands now. @throws AttestRefused KMS_REFUSED when it cannot be read, or could not be a token */
  async #token(): Promise<string | undefined> {
    const { file, text } = this.#settings.token;
    const found = file === undefined ? text : await tokenIn(file);
    // Nothing that ends a header may get into one.
    if (found === undefined || /^[\x21-\x7e]+$/.test(found)) return found;
    throw refused('has a token set (attest.kms_token_file, ATTEST_KMS_TOKEN) that is none');
  }
}

async function tokenIn(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw refused(`has a token in ${path}, which cannot be read (${code ?? 'unknown'})`);
  });
  if (bytes.length <= transitLimits.tokenBytesMax) return bytes.toString('latin1').trim();
  throw refused(`has a token in ${path} of more than ${transitLimits.tokenBytesMax} bytes`);
}

function rawKey(base64: string): PublicKey {
  try {
    return publicKeyFromRaw(Uint8Array.fromBase64(base64));
  } catch {
    throw bad('tells a public key that is not of 32 bytes');
  }
}
