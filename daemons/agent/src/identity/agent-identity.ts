/**
 * Who this machine is: key, certificate and CA bundle in `identity.pem`, ids in `state.json` beside it (AG-3). The key is
 * made here and never leaves (P2). Each renewal makes another one (CA-6).
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createCsr } from '@labmesh/pki/csr';
import { readIdentity, type StoredIdentity, writeIdentity } from '@labmesh/pki/identity-file';
import { bundleDigest } from '@labmesh/pki/pin';
import { type Enrolled, enrolledSchema, renewedSchema } from '@labmesh/wire/fleet/enrolment';
import { type AgentState, readState, saveState } from './agent-state.ts';
import { callLabd, type ClientKey, fetchPinnedBundle } from '@labmesh/link/calls/labd-calls';
import { rootsOf } from './ca-bundle.ts';
import { dropPendingKey, pendingKey } from './pending-key.ts';

export type MachineFacts = {
  hostname: string;
  machineId: string;
  macs: string[];
  agentVersion: string;
  labels: Record<string, string>;
};

export class AgentIdentity {
  readonly #folder: string;
  #state: AgentState;
  #stored: StoredIdentity;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(folder: string, state: AgentState, stored: StoredIdentity) {
    this.#folder = folder;
    this.#state = state;
    this.#stored = stored;
  }

  /** The identity of a folder; undefined when this machine never enrolled. @throws IdentityFileError, Error for damage. */
  static async open(folder: string): Promise<AgentIdentity | undefined> {
    const stored = await readIdentity(join(folder, 'identity.pem'));
    const state = readState(folder);
    return stored === undefined || state === undefined ? undefined : new AgentIdentity(folder, state, stored);
  }

  /**
   * Enrols (JT-3, JT-6): bundle unverified → pin → token over the verified connection.
   * @throws FleetError with labd's code.
   */
  static async enrol(
    folder: string,
    where: { url: string; caPin: string; token: string },
    facts: MachineFacts,
    signal?: AbortSignal,
  ): Promise<AgentIdentity> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const bundlePem = await fetchPinnedBundle(where.url, where.caPin, signal);
    const key = await pendingKey(folder);
    const body = { token: where.token, csrPem: await createCsr(key), ...facts };
    const answer = await callLabd(
      { url: where.url, bundlePem },
      { path: '/api/auth/enroll', body, output: enrolledSchema, ...(signal !== undefined && { signal }) },
    );
    const urls = [...new Set([...answer.agentUrls, where.url])];
    const { serverId, agentId, caPin } = answer;
    const state = { version: 1, serverId, agentId, urls, caPin, renewAfter: Date.parse(answer.renewAfter) } as const;
    await saveIdentity(folder, key.privatePem, answer);
    saveState(folder, state);
    await dropPendingKey(folder);
    const stored = await readIdentity(join(folder, 'identity.pem'));
    if (stored === undefined) throw new Error('the identity that was just written is gone');
    return new AgentIdentity(folder, state, stored);
  }

  get serverId(): string {
    return this.#state.serverId;
  }
  get agentId(): string {
    return this.#state.agentId;
  }
  /** Addresses that labd told last. */
  get urls(): readonly string[] {
    return this.#state.urls;
  }
  /** @throws what the file system says. */
  keepUrls(urls: readonly string[]): void {
    if (urls.length === 0) return;
    this.#state = { ...this.#state, urls: [...urls] };
    saveState(this.#folder, this.#state);
  }
  /** Unix ms at which a new certificate is due. */
  get renewAfter(): number {
    return this.#state.renewAfter;
  }
  get notAfter(): number {
    return this.#stored.certificate.notAfter;
  }
  get bundlePem(): string {
    return this.#stored.bundlePem;
  }
  get bundleDigest(): string {
    return bundleDigest(this.#stored.bundlePem);
  }
  get client(): ClientKey {
    return { privatePem: this.#stored.key.privatePem, chainPem: this.#stored.certificatePem + this.#stored.chainPem };
  }

  /** A new certificate over the live one, or over an expired one where labd lets it (CA-6, CA-7). @throws FleetError. */
  async renew(url: string, signal?: AbortSignal): Promise<void> {
    const isOver = this.notAfter <= Date.now();
    const key = await pendingKey(this.#folder);
    const answer = await callLabd(
      { url, bundlePem: this.bundlePem },
      {
        path: isOver ? '/api/auth/reenroll' : '/api/auth/renew',
        body: { csrPem: await createCsr(key) },
        output: renewedSchema,
        client: this.client,
        ...(signal !== undefined && { signal }),
      },
    );
    await this.#alone(async () => {
      await saveIdentity(this.#folder, key.privatePem, answer);
      this.#state = { ...this.#state, caPin: answer.caPin, renewAfter: Date.parse(answer.renewAfter) };
      saveState(this.#folder, this.#state);
      await dropPendingKey(this.#folder);
      await this.#reload();
    });
  }

  /**
   * Trusts these roots from now on (CA-10), told over a link that the old ones verify; false when they are the same.
   * @throws RangeError when one is no CA certificate, and what the file system says: the old ones stay then.
   */
  takeBundle(bundlePem: string): Promise<boolean> {
    return this.#alone(async () => {
      if (bundleDigest(bundlePem) === this.bundleDigest) return false;
      const { key, certificatePem, chainPem } = this.#stored;
      const next = { privatePem: key.privatePem, certificatePem, chainPem, bundlePem: rootsOf(bundlePem) };
      await writeIdentity(join(this.#folder, 'identity.pem'), next);
      await this.#reload();
      return true;
    });
  }

  /** One after the other: key and roots stand in one file, and neither may be written over with older ones. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }

  async #reload(): Promise<void> {
    const stored = await readIdentity(join(this.#folder, 'identity.pem'));
    if (stored !== undefined) this.#stored = stored;
  }
}

async function saveIdentity(
  folder: string,
  privatePem: string,
  answer: Pick<Enrolled, 'certificatePem' | 'chainPem' | 'caPem'>,
) {
  const { certificatePem, chainPem, caPem } = answer;
  await writeIdentity(join(folder, 'identity.pem'), { privatePem, certificatePem, chainPem, bundlePem: caPem });
}
