/** Makes the file of a part, and the row that goes with it. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { RecordingsTable } from '@labmesh/store/tables';
import { CastWriter } from '@labmesh/wire/fleet/asciicast';
import type { Tty } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Sealer } from '../secrets/sealer.ts';
import { PartFile, partContext } from './part-file.ts';
import type { RecorderHealth } from './recorder-health.ts';
import type { RecordingFolder } from './recording-folder.ts';
import { partHead } from './session-recording.ts';

export type PartRequest = {
  session: string;
  term: Tty | null;
  command: string | null;
  replicaId: string;
  /** 0 for the first part of a session, one more on each replica that takes it over. */
  part: number;
};

export type PartPlace = {
  folder: RecordingFolder;
  health: RecorderHealth;
  sealer: Sealer;
  clock: Clock;
  graceMs: number;
  stallMs: number;
};

/** The head is in the file; the row is nowhere yet. */
export type NewPart = { row: RecordingsTable; file: PartFile; cast: CastWriter };

/** @throws FleetError RECORDING_UNAVAILABLE; no file stays then. */
export async function createPart(place: PartPlace, request: PartRequest): Promise<NewPart> {
  const { folder, health, sealer, clock, graceMs, stallMs } = place;
  const { session, replicaId, part, term, command } = request;
  const id = uuidv7();
  const wall = clock.wall();
  const key = randomBytes(32);
  const { url, path } = await folder.place(id, wall).catch((error: unknown) => {
    health.failed(error);
    throw health.refusal(error);
  });
  const row: RecordingsTable = {
    id,
    created_at: wall,
    session_id: session,
    replica_id: replicaId,
    part,
    url,
    bytes: 0,
    sha256: null,
    sealed_key: sealer.seal('recordings', id, 'sealed_key', key),
    ended_at: null,
  };
  const cast = new CastWriter(clock.now());
  const options = { path, key, context: partContext(id, session, replicaId, part), health, clock, graceMs, stallMs };
  try {
    return { row, cast, file: await PartFile.create(options, cast.head(partHead(term, command, wall))) };
  } catch (error) {
    folder.forget();
    await folder.remove(url);
    throw health.refusal(error);
  }
}
