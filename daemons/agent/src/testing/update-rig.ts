/** Version folders, memory and release key of an agent for tests, on a clock that stands still. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { FakeClock } from '@labmesh/kit/clock';
import { type AgentDesired, releaseText } from '@labmesh/wire/fleet/releases';
import { parseReleaseKey } from '../update/release-key.ts';
import { UpdateFile } from '../update/update-file.ts';
import type { UpdateGround } from '../update/update-ground.ts';
import { VersionFolders } from '../update/version-folders.ts';

const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex');

export class UpdateRig implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'labmesh-update-'));
  readonly installDir = join(this.root, 'opt');
  readonly stateDir = join(this.root, 'state');
  readonly clock = new FakeClock();
  readonly folders = new VersionFolders(this.installDir);
  readonly file = new UpdateFile(this.stateDir);
  readonly #keys = generateKeyPairSync('ed25519');
  readonly keyText = `ed25519:${this.#keys.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')}`;

  constructor(version = '0.1.0') {
    this.place(version);
    for (const link of ['current', 'confirmed'] as const) this.folders.point(link, version);
  }

  /** A program in its folder, as an install leaves it. */
  place(version: string): void {
    const path = this.folders.fileOf(version);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `program ${version}`, { mode: 0o755 });
  }

  ground(version = '0.1.0'): UpdateGround {
    const { folders, file } = this;
    const times = { delayMs: 900_000, confirmMs: 30_000, trialMs: 60_000 };
    return { version, arch: 'x64', key: parseReleaseKey(this.keyText), folders, file, ...times };
  }

  sign(version: string, hash: string, arch = 'x64'): string {
    return sign(null, Buffer.from(releaseText(version, arch, hash)), this.#keys.privateKey).toString('base64');
  }

  /** labd's wish for a version whose content is `content`. */
  wish(version: string, more: Partial<AgentDesired> = {}, content = `program ${version}`): AgentDesired {
    const hash = sha256(content);
    const signature = this.sign(version, hash);
    return { kind: 'agent', version, sha256: hash, signature, ring: null, now: false, downgrade: false, ...more };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
