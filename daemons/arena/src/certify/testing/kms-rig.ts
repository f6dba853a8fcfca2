/** An issuer whose keys are in a simulated service, over starts: what was open before ends, as with a process. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@labmesh/kit/log';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { findCertificate } from '../certificate-rows.ts';
import type { Issuer } from '../issuer.ts';
import { issuerKeys, readIssuerKeySettings } from '../issuer-keys.ts';
import type { SigningFolder } from '../signing-folder.ts';
import { issuerOn, openSigning } from './open-certify.ts';
import { verifyFrom } from './verify-from.ts';

export const kmsToken = 'hvs.NOTFORLOGS';
export const kmsKeyNames = ['certificate', 'revocation', 'log'].map((use) => `labmesh-${use}`);

export class KmsRig implements AsyncDisposable {
  readonly data = mkdtempSync(join(tmpdir(), 'labmesh-kms-issuer-'));
  readonly socketPath = join(this.data, 'kms.sock');
  readonly lines: string[] = [];
  readonly #log = createLogger({ level: 'debug', format: 'json', write: (line) => this.lines.push(line) });
  /** Whether the settings name the service. */
  isSet = true;
  #store: Store | undefined;
  #open: { signing: SigningFolder; issuer: Issuer } | undefined;

  get issuer(): Issuer {
    if (this.#open === undefined) throw new Error('it is not open');
    return this.#open.issuer;
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('it is not open');
    return this.#store;
  }

  keys(): ReturnType<typeof issuerKeys> {
    const attest = this.isSet ? { kms_url: `unix:${this.socketPath}` } : {};
    const file = { path: 'labmesh.toml', text: '', data: { attest } };
    return issuerKeys(this.data, readIssuerKeySettings(file, { ATTEST_KMS_TOKEN: kmsToken }), () => {});
  }

  async open(): Promise<void> {
    this.#store ??= await openStore({ url: `sqlite://${join(this.data, 'arena.db')}` });
    const signing = await openSigning(join(this.data, 'attest'), this.#log, this.keys());
    this.#open = { signing, issuer: issuerOn(signing, this.#store, this.#log) };
    await this.issuer.settle();
  }

  async close(): Promise<void> {
    await this.#open?.issuer[Symbol.asyncDispose]();
    await this.#open?.signing[Symbol.asyncDispose]();
    this.#open = undefined;
  }

  /** A run's row; its certificate may be given out once it has ended. */
  async run(id: string, finishedAt: number | null, report: object = {}): Promise<void> {
    const row = { id, revision: 1, created_at: 1, tenant: 'default', key_id: 'k', request_id: id, mode: 'intercept' };
    const state = { state: 'done', priority: 2, model: 'm', seed: 1, deadline_at: 1, finished_at: finishedAt };
    const sums = { tokens_in: 0, tokens_out: 0, cost_nano: 0, report: JSON.stringify(report) };
    await this.store.write(system('test'), (tx) =>
      tx
        .insertInto('arena_runs')
        .values({ ...row, ...state, ...sums } as never)
        .execute(),
    );
  }

  async reportOf(id: string): Promise<{ certificate_id: string | null; report: object }> {
    const row = await this.store.read(system('test'), (db) =>
      db.selectFrom('arena_runs').select(['certificate_id', 'report']).where('id', '=', id).executeTakeFirstOrThrow(),
    );
    return { certificate_id: row.certificate_id, report: JSON.parse(row.report ?? '{}') as object };
  }

  file = (name: string) => join(this.data, 'attest', name);
  drafts = () => (existsSync(this.file('drafts')) ? readdirSync(this.file('drafts')) : []);
  row = (runId: string) => findCertificate(this.store, 'default', runId);

  /** What a verifier says of a run's certificate, from the files that it is given. */
  async verify(runId: string, response: string): Promise<string> {
    await this.issuer.logged(runId);
    return await verifyFrom(join(this.data, 'attest'), (await this.row(runId))?.bundle, response);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.#store?.[Symbol.asyncDispose]();
    rmSync(this.data, { recursive: true, force: true });
  }
}
