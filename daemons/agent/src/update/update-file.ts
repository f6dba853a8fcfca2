/**
 * What an update must remember over restarts, in `update.json` of the state folder: the version on trial, and the bad ones.
 * The guard of another version reads it too: fields are added, never changed.
 */
import { join } from 'node:path';
import { parseJson } from '@labmesh/kit/parse-json';
import { readPrivateFile, writePrivateFile } from '@labmesh/kit/saved-file';
import { badVersionsMax, releaseVersionField } from '@labmesh/wire/fleet/releases';
import { z } from 'zod';

/** Why a version is bad. `not-confirmed`: it did not stay connected in time. */
export const badReasons = ['signature', 'sha256', 'exits', 'not-confirmed'] as const;
export type BadReason = (typeof badReasons)[number];

const trialSchema = z.object({
  version: releaseVersionField,
  /** The one to go back to. */
  from: releaseVersionField,
  /** Unix ms. */
  startedAt: z.number(),
  starts: z.int().min(0),
  /** It is over: the guard goes back. */
  failed: z.enum(badReasons).optional(),
});
export type Trial = z.infer<typeof trialSchema>;

const badSchema = z.object({
  version: releaseVersionField,
  reason: z.enum(badReasons).catch('not-confirmed'),
  /** Unix ms. */
  at: z.number(),
  /** True until the old version was connected itself: labd may have been away, and then it was nobody's fault. */
  open: z.boolean().default(false),
});
export type BadVersion = z.infer<typeof badSchema>;

const stateSchema = z.object({
  trial: trialSchema.optional(),
  bad: z.array(badSchema).default([]),
  /** Versions that had a second chance. */
  forgiven: z.array(releaseVersionField).default([]),
});
export type UpdateState = z.infer<typeof stateSchema>;

export class UpdateFile {
  readonly #path: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'update.json');
  }

  /** As it stands; nothing when there is none. A damaged one counts as none: the guard must always come to an end. */
  read(): UpdateState {
    const text = readPrivateFile(this.#path);
    return stateSchema.safeParse(text === undefined ? {} : parseJson(text)).data ?? stateSchema.parse({});
  }

  /** Whole and on the disk, or not at all. @throws what the file system says. */
  write(state: UpdateState): void {
    const bad = state.bad.slice(-badVersionsMax);
    const forgiven = state.forgiven.slice(-badVersionsMax);
    writePrivateFile(this.#path, `${JSON.stringify({ ...state, bad, forgiven }, null, 1)}\n`);
  }

  /** Remembers that a version is bad. */
  addBad(bad: BadVersion): void {
    const state = this.read();
    this.write({ ...state, bad: [...state.bad.filter(({ version }) => version !== bad.version), bad] });
  }
}
